import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { ZlayerError } from '@zlayer/runtime-core';
import { type EventHandler, type FrameworkError, loadAddon, type NativeMachine } from './load-addon.ts';
import type { VzSupport } from './query-vz-host.ts';
import type { VzMachineConfig } from './vz-machine-config.ts';

export type VzMachineState =
  | 'stopped'
  | 'running'
  | 'paused'
  | 'error'
  | 'starting'
  | 'pausing'
  | 'resuming'
  | 'stopping'
  | 'saving'
  | 'restoring';

export interface VzAddonOptions {
  /** Another addon than this package's. */
  addon?: string | undefined;
}

/** A file of a console. It is appended to; when it would become longer, its older half goes. */
export interface VzConsoleFile {
  file: string;
  /** At least 4096. */
  maxBytes: number;
}

export interface VzMachineOptions extends VzAddonOptions {
  /**
   * Where the guest's console is written: a descriptor, which is duplicated (how much is written is up to the guest then),
   * or a file.
   */
  console: number | VzConsoleFile;
  onState?: (state: VzMachineState) => void;
  /** The guest calls a port that is listened on. Default: its calls are closed. */
  onCall?: (port: number, connection: Socket) => void;
}

/** How a machine ended: by its guest or by `stop`, or with the framework's error. */
export type VzMachineEnd = { failed: false } | { failed: true; error: ZlayerError };

/** Machines that run are not collected. */
const running = new Set<VzMachine>();

/**
 * A virtual machine in this very process, which must carry the entitlement itself and whose end it does not survive.
 *
 * Calls that the framework refuses are `CONFLICT`, with its own words in the message and its error as the cause.
 */
export class VzMachine implements AsyncDisposable {
  /** Settles when a machine that was started has ended, or is closed. */
  readonly ended: Promise<VzMachineEnd>;
  readonly #native: NativeMachine;
  readonly #options: VzMachineOptions;
  readonly #end: (end: VzMachineEnd) => void;
  #state: VzMachineState = 'stopped';

  /** @throws ZlayerError `UNAVAILABLE` if there is no addon, `INVALID_SPEC` with the key at fault. */
  constructor(config: VzMachineConfig, options: VzMachineOptions) {
    const { Machine } = loadAddon(options.addon);
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<VzMachineEnd>();
    this.ended = promise;
    this.#end = resolve;
    const handler = VzMachine.#handler(new WeakRef<VzMachine>(this));
    try {
      this.#native = new Machine(config, options.console, handler);
    } catch (cause) {
      throw new ZlayerError('INVALID_SPEC', `this is no machine: ${(cause as Error).message}`, { cause });
    }
  }

  get state(): VzMachineState {
    return this.#state;
  }

  /** Has the framework check the configuration. @throws ZlayerError `INVALID_SPEC` with the framework's own words. */
  async validate(): Promise<void> {
    await this.#native.validate().catch((cause: FrameworkError) => {
      throw new ZlayerError('INVALID_SPEC', `the framework refuses the machine: ${cause.message}`, { cause });
    });
  }

  /** Ports in `listen` are listened on before the guest can call. @throws ZlayerError `START_FAILED`. */
  start(options: { listen?: readonly number[] } = {}): Promise<void> {
    return this.#begin(this.#native.start(options.listen ?? []));
  }

  /**
   * In place of `start`: goes on from a state that `save` has written for a machine of the same configuration. It is paused
   * then. macOS 14.
   *
   * @throws ZlayerError `START_FAILED`.
   */
  restore(path: string, options: { listen?: readonly number[] } = {}): Promise<void> {
    return this.#begin(this.#native.restore(path, options.listen ?? []));
  }

  /** Writes the state of a machine that is paused to a new file: its memory and its devices, not its disks. macOS 14. */
  save(path: string): Promise<void> {
    return this.#do('save', this.#native.save(path));
  }

  /**
   * In place of `start`: installs macOS on the first disk of a machine whose guest runs it, from an `.ipsw` file, within half an
   * hour or so. The machine has ended then.
   *
   * @throws ZlayerError `START_FAILED` with the framework's words; the reason of the signal if that aborts it. The disk's content
   *   is of no use then.
   */
  async install(
    restoreImage: string,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (fraction: number) => void } = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    const cancel = (): void => this.#native.cancelInstallation();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      await this.#native.install(restoreImage, (fraction) => onProgress?.(fraction));
    } catch (cause) {
      signal?.throwIfAborted();
      const { message } = cause as FrameworkError;
      throw new ZlayerError('START_FAILED', `macOS is not installed: ${message}`, { subject: restoreImage, cause });
    } finally {
      signal?.removeEventListener('abort', cancel);
      // It may run on, and is of no use before it is started as one that has macOS.
      await this.#native.stop().catch(() => undefined);
    }
  }

  /** As if its power were cut. */
  async stop(): Promise<void> {
    await this.#do('stop', this.#native.stop());
    this.#ends({ failed: false });
  }

  /** Presses the power button. */
  requestStop(): Promise<void> {
    return this.#do('press the power button of', this.#native.requestStop());
  }

  pause(): Promise<void> {
    return this.#do('pause', this.#native.pause());
  }

  resume(): Promise<void> {
    return this.#do('resume', this.#native.resume());
  }

  /** How much memory the guest is to make do with. */
  setMemoryTarget(bytes: number): Promise<void> {
    return this.#do('set the memory of', this.#native.setMemoryTarget(bytes));
  }

  listen(port: number): Promise<void> {
    return this.#do('listen for', this.#native.listen(port));
  }

  stopListening(port: number): Promise<void> {
    return this.#do('stop listening for', this.#native.stopListening(port));
  }

  /** Calls a port of the guest. @throws ZlayerError `NETWORK` if nobody there takes the call. */
  async connect(port: number): Promise<Socket> {
    try {
      return socketOf(await this.#native.connect(port));
    } catch (error) {
      const { message } = error as Error;
      throw new ZlayerError('NETWORK', `port ${port} of the guest does not answer: ${message}`, { cause: error });
    }
  }

  /** Ends a machine that runs, and lets go of everything. Nothing else can be done with it then. */
  async close(): Promise<void> {
    await this.#native.close();
    this.#state = 'stopped';
    this.#ends({ failed: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** It must not refer to the machine itself, or no machine would ever be collected. */
  static #handler(machine: WeakRef<VzMachine>): EventHandler {
    return (...event) => {
      const found = machine.deref();
      const [, , descriptor] = event;
      if (found !== undefined) found.#tell(...event);
      else if (descriptor !== undefined) closeSync(descriptor);
    };
  }

  #tell(...[event, value, descriptor]: Parameters<EventHandler>): void {
    if (event === 'state') {
      this.#state = value as VzMachineState;
      this.#options.onState?.(this.#state);
    } else if (event === 'ended') {
      this.#ends(value === undefined ? { failed: false } : { failed: true, error: failureOf(value as FrameworkError) });
    } else if (descriptor !== undefined) {
      const { onCall } = this.#options;
      if (onCall === undefined) closeSync(descriptor);
      else onCall(value as number, socketOf(descriptor));
    }
  }

  async #begin(operation: Promise<void>): Promise<void> {
    await operation.catch((cause: FrameworkError) => {
      throw new ZlayerError('START_FAILED', `the machine does not start: ${cause.message}`, { cause });
    });
    if (this.#state !== 'stopped' && this.#state !== 'error') running.add(this);
  }

  #ends(end: VzMachineEnd): void {
    running.delete(this);
    this.#end(end);
  }

  async #do(what: string, operation: Promise<void>): Promise<void> {
    await operation.catch((cause: FrameworkError) => {
      throw new ZlayerError('CONFLICT', `cannot ${what} the machine, which is ${this.#state}: ${cause.message}`, {
        cause,
      });
    });
  }
}

function socketOf(descriptor: number): Socket {
  try {
    return new Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true });
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

const failureOf = (cause: FrameworkError): ZlayerError =>
  new ZlayerError('INTERNAL', `the virtual machine failed: ${cause.message}`, { cause });

/** What this system and this very process can do. @throws ZlayerError `UNAVAILABLE` if there is no addon. */
export const vzSupport = (options: VzAddonOptions = {}): VzSupport => loadAddon(options.addon).support();

/** A unicast address that belongs to no vendor. */
export const randomMac = (options: VzAddonOptions = {}): string => loadAddon(options.addon).randomMac();

/** Whether a device of a machine can have this address. */
export const isMac = (text: string, options: VzAddonOptions = {}): boolean => loadAddon(options.addon).isMac(text);

/**
 * Installs Rosetta for Linux guests. macOS asks the user first.
 *
 * @throws ZlayerError `UNAVAILABLE` with the framework's words: not on this Mac, not wanted by the user, or no network.
 */
export async function installRosetta(options: VzAddonOptions = {}): Promise<void> {
  await loadAddon(options.addon)
    .installRosetta()
    .catch((cause: FrameworkError) => {
      throw new ZlayerError('UNAVAILABLE', `Rosetta is not installed: ${cause.message}`, {
        remedy: 'On a Mac with Apple silicon: softwareupdate --install-rosetta',
        cause,
      });
    });
}
