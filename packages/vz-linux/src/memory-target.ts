import { ZlayerError } from '@zlayer/runtime-core';

/** A Linux guest with less than this has no use for the rest. */
const MIN_TARGET_BYTES = 16 * 1024 ** 2;

/** @throws ZlayerError `INVALID_SPEC` for what cannot be the memory target of a machine with so much memory. */
export function checkMemoryTarget(bytes: number, memoryBytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= MIN_TARGET_BYTES && bytes <= memoryBytes) return;
  throw new ZlayerError('INVALID_SPEC', `${bytes} bytes are no memory target for a machine of ${memoryBytes} bytes`, {
    remedy: `Use ${MIN_TARGET_BYTES} to ${memoryBytes}.`,
  });
}
