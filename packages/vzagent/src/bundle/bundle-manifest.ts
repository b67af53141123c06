import { ARCHITECTURES, ZlayerError } from '@zlayer/runtime-core';
import { z } from 'zod';

/** The files of a bundle, by what they are. Names are fixed: no manifest can make anybody open another path. */
export const BUNDLE_FILES = {
  kernel: 'Image',
  initramfs: 'initramfs.cpio',
  volumeTemplate: 'volume-template.gz',
} as const;

export const MANIFEST_FILE = 'manifest.json';

/** The most bytes that each file may have. */
export const LARGEST_FILES = {
  kernel: 128 * 1024 ** 2,
  initramfs: 64 * 1024 ** 2,
  volumeTemplate: 8 * 1024 ** 2,
} as const satisfies Record<BundleFile, number>;

export const LARGEST_MANIFEST = 256 * 1024;

export type BundleFile = keyof typeof BUNDLE_FILES;

const text = z.string().min(1).max(256);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const file = (kind: BundleFile) => z.strictObject({ size: z.int().min(1).max(LARGEST_FILES[kind]), sha256 });
const debianInput = z.strictObject({ package: text, version: text });

const manifestSchema = z.strictObject({
  formatVersion: z.literal(1),
  architecture: z.enum(ARCHITECTURES),
  /** The kernel's release, as `uname -r` in the guest. */
  kernelVersion: text,
  /** Of this package. */
  agentVersion: text,
  agentSha256: sha256,
  /** File names of the modules in the initramfs. */
  modules: z.array(text).max(1000),
  /** The Debian packages that it was made with. */
  inputs: z.strictObject({ kernel: debianInput, volumeTemplate: debianInput }),
  files: z.strictObject({
    kernel: file('kernel'),
    initramfs: file('initramfs'),
    volumeTemplate: file('volumeTemplate'),
  }),
});

/** What `manifest.json` says of a bundle. */
export type BundleManifest = Readonly<z.infer<typeof manifestSchema>>;

/** @throws {ZlayerError} `INVALID_SPEC`, naming the field at fault. */
export function parseBundleManifest(bytes: Uint8Array, subject: string): BundleManifest {
  try {
    return manifestSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    const fault = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new ZlayerError('INVALID_SPEC', `${subject} is no manifest of a bundle: ${fault}`, {
      subject,
      remedy: 'build the bundle anew with a version of @zlayer/vzagent that fits this one',
      cause,
    });
  }
}

export function formatBundleManifest(manifest: BundleManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
