import { ZlayerError } from '@zlayer/runtime-core';
import type { MacRestoreImage } from './mac-guest-tools.ts';

/** As core and host program tell of one. */
export interface NativeRestoreImage {
  url: string;
  version: string;
  build: string;
  supported: boolean;
  hardwareModel: string;
  minCpus: number;
  minMemoryBytes: number;
}

export function restoreImageOf(found: NativeRestoreImage): MacRestoreImage {
  const { url, version, build, supported, hardwareModel, minCpus, minMemoryBytes } = found;
  return { url, version, build, needs: supported ? { hardwareModel, minCpus, minMemoryBytes } : undefined };
}

export const refusedByFramework = (what: string, message: string, cause?: unknown): ZlayerError =>
  new ZlayerError('UNAVAILABLE', `${what}: ${message}`, {
    remedy: 'Guests that run macOS need a Mac with Apple silicon, and a macOS on it that is not older than theirs.',
    cause,
  });
