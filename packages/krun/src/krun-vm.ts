import { rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import {
  type HostProcess,
  listenVsock,
  type ProcessStatistics,
  processStatistics,
  type Vm,
  type VmExit,
  type VmState,
  type VsockListener,
} from '@zlayer/host';
import { type Cancellable, UnsupportedError, ZlayerError } from '@zlayer/runtime-core';
import { CONTROL_PORT } from '@zlayer/vzagent-proto';

/** What the first program of libkrun's own init leaves with when it cannot start ours. */
const INIT_FAILURES = [125, 126, 127];

/** A virtual machine that a `krun-host` has become, under `zlayer-host`. */
export class KrunVm implements Vm {
  readonly exited: Promise<VmExit>;
  readonly #host: HostProcess;
  readonly #vsockSocket: string;
  readonly #ports: readonly number[];
  #state: VmState = 'running';

  /** @param ports of the host, that the guest can call. */
  constructor(host: HostProcess, vsockSocket: string, ports: readonly number[]) {
    this.#host = host;
    this.#vsockSocket = vsockSocket;
    this.#ports = ports;
    this.exited = host.exited.then((exit) => {
      this.#state = 'stopped';
      return explained(exit);
    });
    // Nobody has to wait for it.
    this.exited.catch(() => undefined);
  }

  get state(): VmState {
    return this.#state;
  }

  /** libkrun ties ports to sockets as a machine starts: the agent's is the one that can be called. */
  connect(port: number, { signal }: Cancellable = {}): Promise<Socket> {
    if (port !== CONTROL_PORT) return Promise.reject(unknownPort(port));
    const path = `${this.#vsockSocket}_${port}`;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const socket = createConnection({ path, allowHalfOpen: true });
      const abort = (): void => fail(signal?.reason);
      const fail = (error: unknown): void => {
        signal?.removeEventListener('abort', abort);
        socket.destroy();
        reject(error);
      };
      const refuse = (cause: Error): void =>
        fail(
          new ZlayerError('NETWORK', `cannot reach port ${port} of the guest: ${cause.message}`, {
            subject: path,
            cause,
          }),
        );
      signal?.addEventListener('abort', abort, { once: true });
      socket.once('error', refuse).once('connect', () => {
        signal?.removeEventListener('abort', abort);
        socket.off('error', refuse);
        resolve(socket);
      });
    });
  }

  async listen(port: number, onConnection: (connection: Socket) => void): Promise<VsockListener> {
    if (!this.#ports.includes(port)) throw unknownPort(port);
    // Of a process that took these calls before, and is gone.
    await rm(`${this.#vsockSocket}_${port}`, { force: true });
    return await listenVsock(this.#vsockSocket, port, onConnection);
  }

  pause(): Promise<void> {
    return Promise.reject(new UnsupportedError('libkrun cannot pause a machine'));
  }

  resume(): Promise<void> {
    return Promise.reject(new UnsupportedError('libkrun cannot pause a machine'));
  }

  requestStop(): Promise<void> {
    return Promise.reject(new UnsupportedError('a machine of libkrun has no power button'));
  }

  /** Of the machine, its helpers and the host program. */
  async statistics(): Promise<ProcessStatistics> {
    if (this.#state === 'stopped') return { processes: 0 };
    const { pid, main, helpers } = await this.#host.status();
    return await processStatistics([pid, ...(main ? [main.pid] : []), ...helpers.map((helper) => helper.pid)]);
  }

  async kill(): Promise<VmExit> {
    // A machine has nothing to put in order that its guest has not put in order before.
    await this.#host.stop({ graceMs: 0 });
    return this.exited;
  }
}

/** libkrun leaves with 0 when the guest restarts or turns itself off. */
function explained(exit: VmExit): VmExit {
  if (exit.reason !== 'exited' || exit.code === null) return exit;
  if (exit.code === 0) return { ...exit, guest: 'powered-off' };
  if (!INIT_FAILURES.includes(exit.code)) return exit;
  return {
    ...exit,
    message: `libkrun's init could not start the guest's first program (${exit.code}): ${exit.message}`,
  };
}

const unknownPort = (port: number): UnsupportedError =>
  new UnsupportedError(`vsock port ${port} was not tied to a socket when the machine was started`);
