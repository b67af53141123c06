import type { Cancellable } from '@zlayer/runtime-core';

/** What macOS is installed from: an `.ipsw` file. */
export interface MacRestoreImage {
  /** Of the file, or where Apple has it. */
  url: string;
  /** Such as `15.1.0`. */
  version: string;
  /** Such as `24B83`. */
  build: string;
  /** What a guest of it needs; `undefined`: this Mac cannot run one. */
  needs: { hardwareModel: string; minCpus: number; minMemoryBytes: number } | undefined;
}

/**
 * What guests that run macOS are made of. Each call is `UNAVAILABLE` with the framework's words where it refuses: everywhere
 * but on Macs with Apple silicon.
 */
export interface MacGuestTools {
  /** Base64. */
  newMachineIdentifier(options?: Cancellable): Promise<string>;
  /** Whether this Mac has such hardware to offer to a guest; `invalid` for what is no hardware model. */
  checkHardwareModel(base64: string, options?: Cancellable): Promise<'supported' | 'unsupported' | 'invalid'>;
  /** Makes the file that a guest of this hardware model keeps its firmware's settings in. There must not be one yet. */
  createAuxiliaryStorage(path: string, hardwareModel: string, options?: Cancellable): Promise<void>;
  loadRestoreImage(path: string, options?: Cancellable): Promise<MacRestoreImage>;
  /** Asks Apple for the latest that this Mac supports; nothing is downloaded but its description. */
  findLatestRestoreImage(options?: Cancellable): Promise<MacRestoreImage>;
}
