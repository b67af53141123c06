import type { Socket } from 'node:net';
import type { LaunchOptions, Vm, VmConfig, VmExit, VmState } from '@zlayer/host';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { type VzAddonOptions, VzMachine, type VzMachineEnd } from '@zlayer/vz-native';
import { CONSOLE_BYTES, frameworkConfig } from './machine-config.ts';
import { checkMemoryTarget } from './memory-target.ts';

const STOPPED: VmExit = { code: 0, signal: null, reason: 'stopped', message: 'stopped on request' };

export interface InProcessOptions extends LaunchOptions, VzAddonOptions {
  /** Is called when the machine has ended, which is told when it has come to its own end. It must not fail. */
  onEnd: (exit: VmExit) => Promise<void>;
}

/** A virtual machine in this very process. */
export class InProcessVm implements Vm {
  readonly exited: Promise<VmExit>;
  readonly #machine: VzMachine;
  readonly #memoryBytes: number;
  readonly #onCall: Map<number, (connection: Socket) => void>;
  #hasEnded = false;
  #isKilled = false;

  private constructor(config: VmConfig, { listen, addon, onEnd }: InProcessOptions) {
    this.#memoryBytes = config.memoryBytes;
    this.#onCall = new Map(listen);
    this.#machine = new VzMachine(frameworkConfig(config), {
      addon,
      console: { file: config.consoleFile, maxBytes: config.consoleBytes ?? CONSOLE_BYTES },
      onCall: (port, connection) => this.#called(port, connection),
    });
    this.exited = this.#machine.ended.then(async (end) => {
      const exit = await this.#end(end);
      await onEnd(exit);
      return exit;
    });
  }

  /** @throws ZlayerError `START_FAILED` with the framework's own words. */
  static async launch(config: VmConfig, options: InProcessOptions): Promise<InProcessVm> {
    const { signal } = options;
    signal?.throwIfAborted();
    const vm = new InProcessVm(config, options);
    try {
      await vm.#machine.start({ listen: [...vm.#onCall.keys()] });
      signal?.throwIfAborted();
      return vm;
    } catch (error) {
      await vm.#machine.close();
      await vm.exited;
      throw error;
    }
  }

  get state(): VmState {
    if (this.#hasEnded) return 'stopped';
    return this.#machine.state === 'paused' ? 'paused' : 'running';
  }

  async connect(port: number, { signal }: Cancellable = {}): Promise<Socket> {
    signal?.throwIfAborted();
    this.#refuseIfPaused(`reach port ${port} of the guest`);
    const connecting = this.#machine.connect(port);
    if (signal === undefined) return await connecting;
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([connecting, aborted.promise]);
    } catch (error) {
      // Nobody waits for it any more.
      void connecting.then(
        (socket) => socket.destroy(),
        () => undefined,
      );
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async listen(port: number, onConnection: (connection: Socket) => void): Promise<AsyncDisposable> {
    if (this.#onCall.has(port)) {
      throw new ZlayerError('CONFLICT', `somebody listens to the guest's calls of port ${port} already`);
    }
    this.#onCall.set(port, onConnection);
    try {
      await this.#machine.listen(port);
    } catch (error) {
      this.#onCall.delete(port);
      throw error;
    }
    return {
      [Symbol.asyncDispose]: async () => {
        this.#onCall.delete(port);
        // A machine that has ended listens to nobody.
        await this.#machine.stopListening(port).catch(() => undefined);
      },
    };
  }

  async pause(): Promise<void> {
    if (this.state !== 'paused') await this.#machine.pause();
  }

  async resume(): Promise<void> {
    if (this.state !== 'running') await this.#machine.resume();
  }

  async requestStop(): Promise<void> {
    this.#refuseIfPaused('press the power button');
    await this.#machine.requestStop();
  }

  async setMemoryTarget(bytes: number): Promise<void> {
    checkMemoryTarget(bytes, this.#memoryBytes);
    this.#refuseIfPaused('set its memory');
    await this.#machine.setMemoryTarget(bytes);
  }

  async kill(): Promise<VmExit> {
    this.#isKilled = true;
    await this.#machine.close();
    return await this.exited;
  }

  async #end(end: VzMachineEnd): Promise<VmExit> {
    this.#hasEnded = true;
    // With what it holds: the console's file is complete then.
    await this.#machine.close();
    if (end.failed) return { code: 1, signal: null, reason: 'exited', message: end.error.message };
    if (this.#isKilled) return STOPPED;
    return { code: 0, signal: null, reason: 'exited', message: 'the guest stopped', guest: 'powered-off' };
  }

  #called(port: number, connection: Socket): void {
    const onConnection = this.#onCall.get(port);
    if (onConnection === undefined) connection.destroy();
    else onConnection(connection);
  }

  #refuseIfPaused(what: string): void {
    if (this.state !== 'paused') return;
    throw new ZlayerError('CONFLICT', `cannot ${what}: the machine is paused`, { remedy: 'Resume it first.' });
  }
}
