import type { Socket } from 'node:net';
import { constants } from 'node:os';
import {
  type HostProcess,
  type ProcessStatistics,
  processStatistics,
  type Vm,
  type VmExit,
  type VmMemory,
  type VmState,
  type VsockListener,
} from '@zlayer/host';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import type { ControlChannel, ControlChannelKind } from './channel/control-channel.ts';
import { guestEnd } from './guest-end.ts';
import { qmpCommand } from './qmp-client.ts';

/** A Linux guest with less than this has no use for the rest. */
const MIN_TARGET_BYTES = 16 * 1024 ** 2;

/** How long QEMU may take to put its disks in order. */
const QUIT_MS = 2000;

/** Where the sockets of one machine, and its token if it has one, lie in its run directory. */
export interface MachineSockets {
  control: string;
  qmp: string;
  events: string;
  vsock: string;
  door: string;
  token: string;
}

/** A virtual machine that QEMU runs under `zlayer-host`. */
export class QemuVm implements Vm {
  readonly exited: Promise<VmExit>;
  readonly #host: HostProcess;
  readonly #sockets: MachineSockets;
  readonly #memoryBytes: number;
  readonly #channel: ControlChannel;
  #state: VmState = 'running';

  constructor(host: HostProcess, sockets: MachineSockets, memoryBytes: number, channel: ControlChannel) {
    this.#host = host;
    this.#sockets = sockets;
    this.#memoryBytes = memoryBytes;
    this.#channel = channel;
    const end = guestEnd(sockets.events);
    this.exited = host.exited.then(
      (exit) => {
        this.#state = 'stopped';
        const guest = end();
        return guest === undefined || exit.reason !== 'exited' ? exit : { ...exit, guest };
      },
      (error: unknown) => {
        end();
        throw error;
      },
    );
    // Nobody has to wait for it.
    this.exited.catch(() => undefined);
  }

  get state(): VmState {
    return this.#state;
  }

  /** How this host and the guest talk. */
  get controlChannel(): ControlChannelKind {
    return this.#channel.kind;
  }

  async connect(port: number, options: Cancellable = {}): Promise<Socket> {
    // vhost-device-vsock takes no connection at all any more after one that was given up while the guest stood still.
    if (this.#state === 'paused') {
      throw new ZlayerError('CONFLICT', `cannot reach port ${port} of the guest: its machine is paused`, {
        remedy: 'Resume it first.',
      });
    }
    return this.#channel.connect(port, options);
  }

  listen(port: number, onConnection: (connection: Socket) => void): Promise<VsockListener> {
    return this.#channel.listen(port, onConnection);
  }

  /**
   * Stops QEMU itself. Its own `stop` would also stop and restart the devices outside of it, after which
   * vhost-device-vsock 0.3.0 now and then takes no connection any more.
   */
  async pause(): Promise<void> {
    await this.#host.signal(constants.signals.SIGSTOP);
    if (this.#state === 'running') this.#state = 'paused';
  }

  async resume(): Promise<void> {
    await this.#host.signal(constants.signals.SIGCONT);
    if (this.#state === 'paused') this.#state = 'running';
  }

  async requestStop(): Promise<void> {
    await this.#qmp('press the power button', 'system_powerdown', {});
  }

  async setMemoryTarget(bytes: number, options: Cancellable = {}): Promise<void> {
    if (!Number.isSafeInteger(bytes) || bytes < MIN_TARGET_BYTES || bytes > this.#memoryBytes) {
      throw new ZlayerError(
        'INVALID_SPEC',
        `${bytes} bytes are no memory target for a machine of ${this.#memoryBytes} bytes`,
        { remedy: `Use ${MIN_TARGET_BYTES} to ${this.#memoryBytes}.` },
      );
    }
    await this.#qmp('set its memory', 'balloon', { value: bytes }, options);
  }

  async memory(options: Cancellable = {}): Promise<VmMemory> {
    const { actual } = (await this.#qmp('tell its memory', 'query-balloon', {}, options)) as { actual?: unknown };
    if (typeof actual === 'number') return { totalBytes: this.#memoryBytes, actualBytes: actual };
    throw new ZlayerError('INTERNAL', 'QEMU did not tell the size of the balloon', { subject: this.#sockets.qmp });
  }

  /** Of QEMU, its helpers and the host program. */
  async statistics(): Promise<ProcessStatistics> {
    if (this.#state === 'stopped') return { processes: 0 };
    const { pid, main, helpers } = await this.#host.status();
    return await processStatistics([pid, ...(main ? [main.pid] : []), ...helpers.map((helper) => helper.pid)]);
  }

  /** A machine that stands still answers nothing, QEMU's own commands neither. */
  async #qmp(what: string, command: string, args: object, options: Cancellable = {}): Promise<unknown> {
    if (this.#state === 'running') return await qmpCommand(this.#sockets.qmp, command, args, options);
    throw new ZlayerError('CONFLICT', `cannot ${what}: the machine is ${this.#state}`, {
      remedy: this.#state === 'paused' ? 'Resume it first.' : undefined,
    });
  }

  async kill(): Promise<VmExit> {
    // On SIGTERM QEMU does what its command `quit` does: it drains and flushes its disks. Coming from the host program, it
    // is on record as a stop. One that stands still, or takes too long, is killed.
    await this.#host.stop({ graceMs: this.#state === 'paused' ? 0 : QUIT_MS });
    return this.exited;
  }
}
