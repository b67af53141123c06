import type { Socket } from 'node:net';
import {
  connectVsock,
  type HostProcess,
  listenVsock,
  type ProcessStatistics,
  processStatistics,
  type Vm,
  type VmExit,
  type VmState,
} from '@zlayer/host';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { findLease } from '@zlayer/vz-native';
import { checkMemoryTarget } from './memory-target.ts';

/** By which a machine's address is found. */
export interface VzVmNetwork {
  mac: string;
  /** Where the host's DHCP server writes down what it has leased. Default: where that of a Mac does. */
  leasesFile?: string | undefined;
}

export interface VzVmParts {
  vsockSocket: string;
  memoryBytes: number;
  state: VmState;
  network: VzVmNetwork | undefined;
}

/** A virtual machine that a `vz-host` holds. */
export class VzVm implements Vm {
  readonly exited: Promise<VmExit>;
  readonly #host: HostProcess;
  readonly #vsockSocket: string;
  readonly #memoryBytes: number;
  readonly #network: VzVmNetwork | undefined;
  #state: VmState;

  constructor(host: HostProcess, { vsockSocket, memoryBytes, state, network }: VzVmParts) {
    this.#host = host;
    this.#vsockSocket = vsockSocket;
    this.#memoryBytes = memoryBytes;
    this.#network = network;
    this.#state = state;
    this.exited = host.exited.then((exit) => {
      this.#state = 'stopped';
      return exit;
    });
    // Nobody has to wait for it.
    this.exited.catch(() => undefined);
    // Other processes pause and resume the same machine.
    host.subscribe({ op: 'watch' }, ({ machine }) => this.#hear(machine));
  }

  get state(): VmState {
    return this.#state;
  }

  async connect(port: number, options: Cancellable = {}): Promise<Socket> {
    // Only what is thought to be paused is asked: calls are many.
    if (this.#state === 'paused') await this.#refuseIfPaused(`reach port ${port} of the guest`);
    return connectVsock(this.#vsockSocket, port, options);
  }

  async listen(port: number, onConnection: (connection: Socket) => void): Promise<AsyncDisposable> {
    const listener = await listenVsock(this.#vsockSocket, port, onConnection);
    try {
      await this.#host.request({ op: 'listen', port });
    } catch (error) {
      await listener.close();
      throw error;
    }
    return {
      [Symbol.asyncDispose]: async () => {
        // A machine that has ended listens to nobody.
        await this.#host.request({ op: 'stopListening', port }).catch(() => undefined);
        await listener.close();
      },
    };
  }

  async pause(): Promise<void> {
    await this.#become('paused', 'pause');
  }

  async resume(): Promise<void> {
    await this.#become('running', 'resume');
  }

  async requestStop(): Promise<void> {
    await this.#refuseIfPaused('press the power button');
    await this.#host.request({ op: 'requestStop' });
  }

  /** Memory that a guest has given back stays with its machine on some systems: Apple promises nothing. */
  async setMemoryTarget(bytes: number): Promise<void> {
    checkMemoryTarget(bytes, this.#memoryBytes);
    await this.#refuseIfPaused('set its memory');
    await this.#host.request({ op: 'balloon', bytes });
  }

  async address(): Promise<string | undefined> {
    if (this.#network === undefined) return undefined;
    return (await findLease(this.#network.mac, { file: this.#network.leasesFile }))?.address;
  }

  /** Of `vz-host`. The guest's memory belongs to a process of the system's, which nobody is told of. */
  async statistics(): Promise<ProcessStatistics> {
    if (this.#state === 'stopped') return { processes: 0 };
    return await processStatistics([this.#host.pid]);
  }

  async kill(): Promise<VmExit> {
    // A machine has nothing to put in order that its guest has not put in order before.
    await this.#host.stop({ graceMs: 0 });
    return this.exited;
  }

  /** One that is as wanted already, by whomever, is no error. */
  async #become(wanted: VmState, op: string): Promise<void> {
    try {
      await this.#host.request({ op });
      if (this.#state !== 'stopped') this.#state = wanted;
    } catch (error) {
      if ((await this.#askState()) !== wanted) throw error;
    }
  }

  /** What is on its way may not have been heard yet. */
  async #askState(): Promise<VmState> {
    const { machine } = await this.#host.status().catch(() => ({ machine: undefined }));
    this.#hear(machine);
    return this.#state;
  }

  #hear(machine: unknown): void {
    if (this.#state === 'stopped' || machine === undefined) return;
    this.#state = machine === 'paused' ? 'paused' : 'running';
  }

  async #refuseIfPaused(what: string): Promise<void> {
    if ((await this.#askState()) !== 'paused') return;
    throw new ZlayerError('CONFLICT', `cannot ${what}: the machine is paused`, { remedy: 'Resume it first.' });
  }
}
