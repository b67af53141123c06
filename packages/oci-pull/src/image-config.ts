import type { Digest } from './digest.ts';
import { isDigest } from './digest.ts';
import { JsonDocument } from './json-document.ts';

/** How an image wants to be run. Lists and maps are empty where the image says nothing. */
export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `NAME=value` entries, in order. */
  readonly env: readonly string[];
  /** Absolute path in the image, or empty. */
  readonly workingDir: string;
  /** `user`, `uid`, `user:group`, `uid:gid` and mixtures, or empty for root. */
  readonly user: string;
  /** Such as `SIGTERM` or `15`; absent if the image says nothing. */
  readonly stopSignal?: string;
  /** `80/tcp`, `53/udp`, or a bare port. */
  readonly exposedPorts: readonly string[];
  /** Paths in the image that should be volumes. */
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Digest of each layer's uncompressed tar archive, the lowest layer first. */
  readonly diffIds: readonly Digest[];
}

/** @throws {OciError} `INVALID_CONFIG`, naming the field at fault. */
export function parseImageConfig(bytes: Uint8Array, digest: Digest): ImageConfig {
  const document = JsonDocument.parse(bytes, `the image config ${digest}`, 'INVALID_CONFIG');
  const config = document.optionalDocument('config');
  const rootfs = document.document('rootfs');
  const variant = document.optionalString('variant');
  const stopSignal = config?.optionalString('StopSignal');
  return {
    os: document.string('os'),
    architecture: document.string('architecture'),
    ...(variant ? { variant } : {}),
    entrypoint: config?.strings('Entrypoint') ?? [],
    cmd: config?.strings('Cmd') ?? [],
    env: config?.strings('Env') ?? [],
    workingDir: config?.optionalString('WorkingDir') ?? '',
    user: config?.optionalString('User') ?? '',
    ...(stopSignal ? { stopSignal } : {}),
    exposedPorts: config?.keys('ExposedPorts') ?? [],
    volumes: config?.keys('Volumes') ?? [],
    labels: config?.stringMap('Labels') ?? {},
    diffIds: rootfs.strings('diff_ids').map((text) => {
      if (!isDigest(text)) throw rootfs.fault('diff_ids', 'a list of sha256 or sha512 digests');
      return text;
    }),
  };
}
