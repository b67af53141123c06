import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

/** The architectures that guests have, by the names that OCI images use. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** What an image is built for. */
export interface Platform {
  os: 'linux';
  architecture: Architecture;
}

const SPELLINGS: Readonly<Record<string, Architecture>> = {
  amd64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  arm64: 'arm64',
  aarch64: 'arm64',
  'arm64/v8': 'arm64',
};

/**
 * Reads `linux/arm64`, `linux/amd64`, `linux/arm64/v8`, or an architecture alone.
 *
 * @throws ZlayerError `INVALID_SPEC` for another system or architecture.
 */
export function parsePlatform(text: string): Platform {
  const lower = text.trim().toLowerCase();
  const rest = lower.startsWith('linux/') ? lower.slice('linux/'.length) : lower;
  const architecture = Object.hasOwn(SPELLINGS, rest) ? SPELLINGS[rest] : undefined;
  if (architecture) return { os: 'linux', architecture };
  throw new ZlayerError('INVALID_SPEC', `unknown platform ${quote(text)}`, {
    subject: subjectOf(text),
    remedy: 'Use linux/amd64 or linux/arm64.',
  });
}

export function formatPlatform({ os, architecture }: Platform): string {
  return `${os}/${architecture}`;
}
