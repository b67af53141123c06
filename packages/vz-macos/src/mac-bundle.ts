import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { z } from 'zod';

/** Names of a bundle's files. */
export const BUNDLE_FILES = {
  disk: 'disk.img',
  auxiliaryStorage: 'aux.img',
  hardwareModel: 'hardware-model.bin',
  manifest: 'manifest.json',
} as const;

const schema = z.object({
  version: z.literal(1),
  source: z.object({ reference: z.string(), digest: z.string() }),
  os: z.enum(['darwin', 'linux']),
  diskBytes: z.number().int().positive(),
  cpus: z.object({ least: z.number().int().positive(), wanted: z.number().int().positive() }),
  memoryBytes: z.object({ least: z.number().int().positive(), wanted: z.number().int().positive() }),
  display: z.object({ width: z.number().int().positive(), height: z.number().int().positive() }),
});

/** What a bundle's machine is made of, beside its files. */
export type MacBundleManifest = z.infer<typeof schema>;

/** A folder with all that a machine is made from: it is shared, and not written to. */
export interface MacBundle {
  readonly folder: string;
  readonly manifest: MacBundleManifest;
}

/** @throws ZlayerError `NOT_FOUND` if there is none, `INTERNAL` for one that is damaged. */
export async function openBundle(folder: string): Promise<MacBundle> {
  const path = join(folder, BUNDLE_FILES.manifest);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ZlayerError('NOT_FOUND', `there is no bundle in ${folder}`, { subject: folder, cause });
  });
  try {
    return { folder, manifest: schema.parse(JSON.parse(text)) };
  } catch (cause) {
    throw new ZlayerError('INTERNAL', `the bundle in ${folder} is damaged: ${(cause as Error).message}`, {
      subject: folder,
      remedy: 'Remove it, and pull its image again.',
      cause,
    });
  }
}
