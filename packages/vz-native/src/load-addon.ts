import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { ZlayerError } from '@zlayer/runtime-core';
import type { VzSupport } from './query-vz-host.ts';
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
  closeAll(): void;
  Machine: new (config: VzMachineConfig, console: number, onEvent: EventHandler) => NativeMachine;
}

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
  const places = path === undefined ? addonPlaces() : [path];
  const known = places.map((place) => loaded.get(place)).find((addon) => addon !== undefined);
  if (known !== undefined) return known;
  let cause: unknown;
  for (const place of places) {
    try {
      const addon = createRequire(import.meta.url)(place) as Addon;
      // Also when the program calls process.exit: what machines refer to must not go before they do.
      process.once('exit', () => addon.closeAll());
      loaded.set(place, addon);
      return addon;
    } catch (error) {
      // What is there and does not load says more than what is missing.
      if (cause === undefined || (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') cause = error;
    }
  }
  throw new ZlayerError('UNAVAILABLE', `the addon of @zlayer/vz-native does not load: ${(cause as Error).message}`, {
    subject: places[0],
    remedy: 'Install the Xcode command line tools (xcode-select --install) and build the package @zlayer/vz-native.',
    cause,
  });
}

/** One that was built here comes first. */
function addonPlaces(): string[] {
  const { platform, arch } = process;
  if (platform !== 'darwin') {
    throw new ZlayerError('UNAVAILABLE', `Virtualization.framework is a part of macOS, and this is ${platform}`, {
      remedy: 'Use @zlayer/qemu here.',
    });
  }
  const places = ['../dist/native/vz-native.node', `../prebuilds/darwin-${arch}/vz-native.node`];
  return places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
}
