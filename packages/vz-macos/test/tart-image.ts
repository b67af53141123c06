import { createHash } from 'node:crypto';
import { type PushArtifactInput, pushArtifact } from '@zlayer/oci-pull';
import { encodeAppleLz4 } from '../src/lz4/apple-lz4.ts';
import { TART } from '../src/tart/tart-manifest.ts';

const MIB = 1024 ** 2;
const digestOf = (data: Uint8Array): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

export const CONFIG = {
  ...{ version: 1, os: 'darwin', arch: 'arm64', cpuCountMin: 2, cpuCount: 4 },
  ...{ memorySizeMin: 2048 * MIB, memorySize: 8192 * MIB, macAddress: '7e:00:00:00:00:01' },
  display: { width: 1920, height: 1200 },
  ecid: Buffer.from('machine-identifier:7').toString('base64'),
  hardwareModel: Buffer.from('hardware-model:2').toString('base64'),
};

/** A disk as guests have it: here and there something, some of it repeated far away, and holes. */
export function makeDisk(bytes: number, seed = 1): Buffer {
  const disk = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 700_000) {
    const size = Math.min(120_000, bytes - at);
    let value = (seed + at) >>> 0;
    for (let index = 0; index < size; index += 1) {
      value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
      // Half noise, half text, and the same text in many blocks.
      disk[at + index] = index % 8000 < 4000 ? value >>> 24 : 97 + (index % 23);
    }
  }
  return disk;
}

export interface TartImageParts {
  disk: Buffer;
  chunkBytes: number;
  config?: unknown;
  nvram?: Buffer;
  /** Makes the image another one than it should be. */
  change?: (input: PushArtifactInput) => PushArtifactInput;
}

type Layers = PushArtifactInput['layers'];

/** Pushes an image in the form that Tart pushes them in. */
export async function pushTartImage(reference: string, parts: TartImageParts): Promise<void> {
  const {
    disk,
    chunkBytes,
    config = CONFIG,
    nvram = Buffer.from('auxiliary-storage:2'),
    change = (input) => input,
  } = parts;
  const chunks: Layers[number][] = [];
  for (let at = 0; at < disk.length; at += chunkBytes) {
    const raw = disk.subarray(at, at + chunkBytes);
    const blocks: Buffer[] = [];
    for await (const block of encodeAppleLz4([raw])) blocks.push(block);
    const annotations = { [TART.rawSize]: String(raw.length), [TART.rawDigest]: digestOf(raw) };
    chunks.push({ mediaType: TART.disk, bytes: Buffer.concat(blocks), annotations });
  }
  const input: PushArtifactInput = {
    reference,
    artifactType: 'application/vnd.cirruslabs.tart',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', bytes: Buffer.from('{}') },
    layers: [
      { mediaType: TART.config, bytes: Buffer.from(JSON.stringify(config)) },
      ...chunks,
      { mediaType: TART.nvram, bytes: nvram },
    ],
    annotations: { [TART.diskSize]: String(disk.length) },
  };
  await pushArtifact(change(input));
}
