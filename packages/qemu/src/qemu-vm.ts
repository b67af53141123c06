import type { Socket } from 'node:net';
import { constants } from 'node:os';
import {
  connectVsock,
  type HostProcess,
  listenVsock,
  type Vm,
  type VmExit,
  type VmState,
  type VsockListener,
} from '@zlayer/host';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { qmpCommand } from './qmp.ts';

/** Where the sockets of one machine lie, in its run directory. */
export interface MachineSockets {
  control: string;
  qmp: string;
  vsock: string;
}

/** A virtual machine that QEMU runs under `zlayer-host`. */
export class QemuVm implements Vm {
  readonly exited: Promise<VmExit>;
  readonly #host: HostProcess;
  readonly #sockets: MachineSockets;
  #state: VmState = 'running';

  constructor(host: HostProcess, sockets: MachineSockets) {
    this.#host = host;
    this.#sockets = sockets;
    this.exited = host.exited.then((exit) => {
      this.#state = 'stopped';
      return exit;
    });
  }

  get state(): VmState {
    return this.#state;
  }

  async connect(port: number, options: Cancellable = {}): Promise<Socket> {
    // vhost-device-vsock takes no connection at all any more after one that was given up while the guest stood still.
    if (this.#state === 'paused') {
      throw new ZlayerError('CONFLICT', `cannot reach port ${port} of the guest: its machine is paused`, {
        remedy: 'Resume it first.',
      });
    }
    return connectVsock(this.#sockets.vsock, port, options);
  }

  listen(port: number, onConnection: (connection: Socket) => void): Promise<VsockListener> {
    return listenVsock(this.#sockets.vsock, port, onConnection);
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
    await qmpCommand(this.#sockets.qmp, 'system_powerdown');
  }

  async kill(): Promise<VmExit> {
    // A machine has nothing to put in order that its guest has not put in order before: no grace for QEMU itself.
    await this.#host.stop({ graceMs: 0 });
    return this.exited;
  }
}
