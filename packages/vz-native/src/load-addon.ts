import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { ZlayerError } from '@zlayer/runtime-core';
import type { NativeRestoreImage } from './mac-restore-image.ts';
import type { VzSupport } from './query-vz-host.ts';
import type { VzConsoleFile } from './vz-machine.ts';
import type { VzMachineConfig } from './vz-machine-config.ts';

/** What the addon's promises are rejected with. */
export interface FrameworkError extends Error {
  /** Such as `VZErrorDomain`; `NSException` for an exception. */
  domain: string;
  number: number;
}

/** `called` comes with a port and a descriptor, the others with one value. */
export type EventHandler = (event: string, value: unknown, descriptor?: number) => void;

export interface NativeMachine {
  validate(): Promise<void>;
  start(listen: readonly number[]): Promise<void>;
  stop(): Promise<void>;
  requestStop(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  save(path: string): Promise<void>;
  restore(path: string, listen: readonly number[]): Promise<void>;
  install(restoreImage: string, onProgress: (fraction: number) => void): Promise<void>;
  cancelInstallation(): void;
  setMemoryTarget(bytes: number): Promise<void>;
  listen(port: number): Promise<void>;
  stopListening(port: number): Promise<void>;
  connect(port: number): Promise<number>;
  close(): Promise<void>;
}

export interface Addon {
  support(): VzSupport;
  randomMac(): string;
  isMac(text: string): boolean;
  installRosetta(): Promise<void>;
  newMachineIdentifier(): string;
  checkHardwareModel(base64: string): 'supported' | 'unsupported' | 'invalid';
  createAuxiliaryStorage(path: string, hardwareModel: string): void;
  loadRestoreImage(path: string): Promise<NativeRestoreImage>;
  findLatestRestoreImage(): Promise<NativeRestoreImage>;
  closeAll(): void;
  Machine: new (config: VzMachineConfig, console: number | VzConsoleFile, onEvent: EventHandler) => NativeMachine;
}

const require = createRequire(import.meta.url);
/** It has no types of its own. */
const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };

const loaded = new Map<string, Addon>();

/**
 * Loads the addon.
 *
 * @throws ZlayerError `UNAVAILABLE`, with the reason: elsewhere than on a Mac, in a worker thread, or if it is missing.
 */
export function loadAddon(path?: string): Addon {
  if (!isMainThread) {
    throw new ZlayerError('UNAVAILABLE', 'virtual machines cannot be held in a worker thread', {
      remedy: 'Use the main thread, or a vz-host.',
    });
  }
  const place = path ?? addonPlace();
  const known = loaded.get(place);
  if (known !== undefined) return known;
  try {
    const addon = require(place) as Addon;
    // Also when the program calls process.exit: what machines refer to must not go before they do.
    process.once('exit', () => addon.closeAll());
    loaded.set(place, addon);
    return addon;
  } catch (cause) {
    throw unavailable(cause, place);
  }
}

/** One that was built here comes first. */
function addonPlace(): string {
  const { platform } = process;
  if (platform !== 'darwin') {
    throw new ZlayerError('UNAVAILABLE', `Virtualization.framework is a part of macOS, and this is ${platform}`, {
      remedy: 'Use @zlayer/qemu here.',
    });
  }
  const folder = fileURLToPath(new URL('../native', import.meta.url));
  try {
    return nodeGypBuild.path(folder);
  } catch (cause) {
    throw unavailable(cause, folder);
  }
}

const unavailable = (cause: unknown, subject: string): ZlayerError =>
  new ZlayerError('UNAVAILABLE', `the addon of @zlayer/vz-native does not load: ${(cause as Error).message}`, {
    subject,
    remedy: 'Install @zlayer/vz-native again; in a checkout, build it (pnpm --filter @zlayer/vz-native build).',
    cause,
  });
