import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type ArtifactLayerInput, type PushArtifactOptions, type Pushed, pushArtifact } from '@zlayer/oci-pull';
import { ARTIFACT_TYPE, bundleReference, CONFIG_TYPE, FOLDER, LAYER_FILES, LAYER_TYPE } from './bundle-artifact.ts';
import { MANIFEST_FILE } from './bundle-manifest.ts';
import { writeBundleTar } from './bundle-tar.ts';
import { BUNDLE_FILE_KINDS, openBundle, verifyBundle } from './open-bundle.ts';

/**
 * Pushes a bundle to a registry. The same bundle gives the same digest.
 *
 * @param folder the bundle.
 * @param reference where to; without a tag it gets the architecture's name as one.
 * @throws {ZlayerError} `NOT_FOUND` or `INVALID_SPEC` when the folder holds no bundle or a damaged one; what
 * `pushArtifact` throws.
 */
export async function pushBundle(
  folder: string,
  reference: string,
  options: PushArtifactOptions = {},
): Promise<Pushed> {
  const bundle = await openBundle(folder);
  await verifyBundle(bundle, options.signal);
  const { architecture, kernelVersion } = bundle.manifest;
  const layers: ArtifactLayerInput[] = [];
  const diffIds: string[] = [];
  const add = async (name: string, content: Uint8Array) => {
    options.signal?.throwIfAborted();
    const archive = writeBundleTar(FOLDER, name, content);
    diffIds.push(`sha256:${createHash('sha256').update(archive).digest('hex')}`);
    layers.push({ mediaType: LAYER_TYPE, bytes: await promisify(gzip)(archive, { level: 9 }) });
  };
  for (const kind of BUNDLE_FILE_KINDS) {
    const content = await readFile(bundle.files[kind]);
    const name = LAYER_FILES[kind];
    await add(name, name.endsWith('.cpio.gz') ? await promisify(gzip)(content, { level: 9 }) : content);
  }
  await add(MANIFEST_FILE, await readFile(join(folder, MANIFEST_FILE)));
  const config = { architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } };
  return pushArtifact(
    {
      reference: bundleReference(reference, architecture),
      artifactType: ARTIFACT_TYPE,
      config: { mediaType: CONFIG_TYPE, bytes: Buffer.from(JSON.stringify(config)) },
      layers,
      annotations: { 'org.opencontainers.image.version': kernelVersion },
    },
    options,
  );
}
