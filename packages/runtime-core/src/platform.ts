import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

/** The operating systems that images are built for and runtimes run, by the names that OCI images use. */
export const OPERATING_SYSTEMS = ['linux', 'darwin'] as const;
/** The operating system of an image. */
export type OperatingSystem = (typeof OPERATING_SYSTEMS)[number];

/** The architectures that guests have, by the names that OCI images use. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
/** The architecture of an image. */
export type Architecture = (typeof ARCHITECTURES)[number];

/** What an image is built for. */
export interface Platform {
  os: OperatingSystem;
  architecture: Architecture;
}

const SYSTEMS: Readonly<Record<string, OperatingSystem>> = { linux: 'linux', darwin: 'darwin', macos: 'darwin' };

const SPELLINGS: Readonly<Record<string, Architecture>> = {
  amd64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  arm64: 'arm64',
  aarch64: 'arm64',
  'arm64/v8': 'arm64',
};

const REMEDY = 'Use linux/amd64, linux/arm64, darwin/arm64 or darwin/amd64.';

/**
 * Reads `linux/arm64`, `linux/amd64`, `linux/arm64/v8`, `darwin/arm64`, or an architecture alone, which means Linux.
 *
 * @throws ZlayerError `INVALID_SPEC` for another system or architecture.
 */
export function parsePlatform(text: string): Platform {
  const lower = text.trim().toLowerCase();
  const slash = Object.hasOwn(SPELLINGS, lower) ? -1 : lower.indexOf('/');
  const system = slash < 0 ? 'linux' : lower.slice(0, slash);
  const rest = lower.slice(slash + 1);
  const os = Object.hasOwn(SYSTEMS, system) ? SYSTEMS[system] : undefined;
  const architecture = Object.hasOwn(SPELLINGS, rest) ? SPELLINGS[rest] : undefined;
  const refuse = (message: string): ZlayerError =>
    new ZlayerError('INVALID_SPEC', message, { subject: subjectOf(text), remedy: REMEDY });
  if (os === undefined && architecture !== undefined) {
    throw refuse(`unknown platform ${quote(text)}: no runtime runs the operating system ${quote(system)}`);
  }
  if (os === undefined || architecture === undefined) throw refuse(`unknown platform ${quote(text)}`);
  return { os, architecture };
}

/** How a platform is written: `linux/arm64`. */
export function formatPlatform({ os, architecture }: Platform): string {
  return `${os}/${architecture}`;
}

/** Whether two platforms are the same. */
export function samePlatform(one: Platform, other: Platform): boolean {
  return one.os === other.os && one.architecture === other.architecture;
}
