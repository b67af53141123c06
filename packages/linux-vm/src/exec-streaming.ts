import { Readable, Writable } from 'node:stream';
import {
  detachedExec,
  type ExecProcess,
  type ExitResult,
  type OutputChunk,
  signalNumber,
  type TerminalSize,
  type ZlayerError,
} from '@zlayer/runtime-core';
import type { AgentProcess } from '@zlayer/vzagent-proto';
import type { NotStarted } from './exec-error.ts';
import { exitResult } from './exit-result.ts';
import { OutputChannel } from './output-channel.ts';

const SIGKILL = signalNumber('SIGKILL');

export interface StreamingExecTerms {
  signal: AbortSignal | undefined;
  /** Whether it has a terminal. */
  tty: boolean;
  unsupportedResize(): ZlayerError;
}

/** A process in the guest with Node's streams. */
export class StreamingExec implements ExecProcess {
  readonly hasStarted = true;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<ExitResult>;
  readonly #process: AgentProcess;
  readonly #terms: StreamingExecTerms;
  readonly #channels = { stdout: new OutputChannel(), stderr: new OutputChannel() };
  #hasEnded = false;
  #isDetached = false;

  constructor(process: AgentProcess, terms: StreamingExecTerms) {
    this.#process = process;
    this.#terms = terms;
    this.stdin = process.stdin ?? closedInput();
    this.stdout = readable(this.#channels.stdout);
    this.stderr = readable(this.#channels.stderr);
    const { signal } = terms;
    const abort = (): void => this.#endIfAborted();
    signal?.addEventListener('abort', abort, { once: true });
    this.exit = this.#carry().finally(() => signal?.removeEventListener('abort', abort));
    this.exit.catch(() => {});
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.on('error', () => {});
    abort();
  }

  async kill(signal: string | number = 'SIGTERM'): Promise<void> {
    const signum = signalNumber(signal);
    if (this.#hasEnded) return;
    try {
      await this.#process.signal(signum);
    } catch (error) {
      // It may end while the signal is on its way: then the signal goes nowhere.
      if (!(await this.#endsSoon())) throw error;
    }
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.#terms.tty) throw this.#terms.unsupportedResize();
    await this.#process.resize(size);
  }

  async detach(): Promise<void> {
    if (this.#hasEnded || this.#isDetached) return;
    this.#isDetached = true;
    try {
      await this.#process.detach();
    } catch (error) {
      this.#isDetached = false;
      this.#endIfAborted();
      // It may end while this is on its way: then there is nothing to leave to itself.
      if (!(await this.#endsSoon())) throw error;
    }
    // Whoever reads slowly does not hold up the news that it is gone.
    for (const channel of Object.values(this.#channels)) channel.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy();
    for (const channel of Object.values(this.#channels)) void channel.return();
    if (!this.#hasEnded && !this.#isDetached) await this.#process.signal(SIGKILL, 'group').catch(() => {});
    await this.exit.catch(() => {});
  }

  async #carry(): Promise<ExitResult> {
    const { stdout, stderr } = this.#channels;
    try {
      for await (const { stream, data } of this.#process.output) await this.#channels[stream].push({ stream, data });
      const result = exitResult(await this.#process.exited);
      // The end that an abort has brought about may be told before the connection is closed.
      this.#terms.signal?.throwIfAborted();
      this.#hasEnded = true;
      stdout.end();
      stderr.end();
      await Promise.all([stdout.drained, stderr.drained]);
      return result;
    } catch (error) {
      this.#hasEnded = true;
      const { signal } = this.#terms;
      if (this.#isDetached) {
        this.stdin.destroy();
        stdout.end();
        stderr.end();
        throw detachedExec();
      }
      const reason = signal?.aborted ? signal.reason : error;
      for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy(reason);
      throw reason;
    }
  }

  #endIfAborted(): void {
    const { signal } = this.#terms;
    if (signal?.aborted && !this.#isDetached) void this.#end(signal.reason);
  }

  async #end(reason: unknown): Promise<void> {
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy(reason as Error);
    for (const channel of Object.values(this.#channels)) void channel.return();
    await this.#process.signal(SIGKILL, 'group').catch(() => {});
    this.#process.close();
  }

  async #endsSoon(): Promise<boolean> {
    const ended = this.#process.exited.then(
      () => true,
      () => true,
    );
    return await Promise.race([ended, new Promise<false>((resolve) => setTimeout(resolve, 1000, false))]);
  }
}

/** What a program that could not be started leaves, as a process that has ended. */
export function endedExec({ exitCode, message }: NotStarted, unsupportedResize: () => ZlayerError): ExecProcess {
  const stderr = Readable.from([Buffer.from(message)], { objectMode: false });
  const stdout = Readable.from([], { objectMode: false });
  return {
    hasStarted: false,
    stdin: closedInput(),
    stdout,
    stderr,
    exit: Promise.resolve({ reason: 'exited', exitCode }),
    kill: async () => {},
    resize: () => Promise.reject(unsupportedResize()),
    detach: async () => {},
    [Symbol.asyncDispose]: async () => {
      for (const stream of [stdout, stderr]) stream.destroy();
    },
  };
}

function readable(channel: OutputChannel): Readable {
  const bytes = async function* (): AsyncGenerator<Uint8Array, void> {
    for await (const { data } of channel as AsyncIterable<OutputChunk>) yield data;
  };
  return Readable.from(bytes(), { objectMode: false });
}

function closedInput(): Writable {
  return new Writable({ write: (_data, _encoding, done) => done() });
}
