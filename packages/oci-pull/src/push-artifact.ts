import { type BlobContent, contentOfBytes, contentOfFile, describeFile } from './blob-content.ts';
import { digestOf } from './digest.ts';
import type { Descriptor } from './manifest.ts';
import { mediaTypes } from './media-types.ts';
import { type BlobToPush, type Pushed, type PushOptions, PushRepository } from './push-repository.ts';
import { formatReference, type ParseReferenceOptions, parseReference } from './reference.ts';

/** Some content of an artifact: a file, which must not change meanwhile, or bytes. */
export type ArtifactBlob = { readonly mediaType: string } & (
  | { readonly file: string; readonly bytes?: undefined }
  | { readonly bytes: Uint8Array; readonly file?: undefined }
);

export type ArtifactLayerInput = ArtifactBlob & { readonly annotations?: Readonly<Record<string, string>> | undefined };

export interface PushArtifactInput {
  /** Where to push it. */
  readonly reference: string;
  /** A media type that says what it is: `application/vnd.example.thing.v1`. */
  readonly artifactType: string;
  /** Default: none, which is written as the two bytes `{}`. */
  readonly config?: ArtifactBlob | undefined;
  readonly layers: readonly ArtifactLayerInput[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface PushArtifactOptions extends PushOptions, ParseReferenceOptions {}

/**
 * Pushes any content to a registry, as an OCI manifest with an `artifactType`. It passes through no store.
 *
 * @throws {OciError} As `pushImage` does.
 */
export async function pushArtifact(input: PushArtifactInput, options: PushArtifactOptions = {}): Promise<Pushed> {
  const { signal } = options;
  const reference = parseReference(input.reference, options);
  const config = await toBlob(input.config ?? { mediaType: mediaTypes.ociEmpty, bytes: Buffer.from('{}') }, signal);
  const layers: BlobToPush[] = [];
  for (const layer of input.layers) layers.push(await toBlob(layer, signal));

  const described = layers.map(({ descriptor }, index) => {
    const annotations = input.layers[index]?.annotations;
    return { ...descriptor, ...(annotations === undefined ? {} : { annotations }) };
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: input.artifactType,
      config: config.descriptor,
      layers: described,
      ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
    }),
  );
  const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(manifest), size: manifest.length };

  await using repository = new PushRepository(reference, options);
  await repository.putBlobs([config, ...layers]);
  await repository.putManifest(descriptor, manifest, reference.tag ?? descriptor.digest);
  return { reference: formatReference(reference), digest: descriptor.digest };
}

async function toBlob({ mediaType, file, bytes }: ArtifactBlob, signal: AbortSignal | undefined): Promise<BlobToPush> {
  if (file !== undefined) {
    const content: BlobContent = contentOfFile(file);
    return { descriptor: await describeFile(file, mediaType, signal), content };
  }
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  return { descriptor, content: contentOfBytes(bytes) };
}
