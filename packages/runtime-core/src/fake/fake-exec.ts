import { Readable, Writable } from 'node:stream';
import type { ExitResult } from '../container-state.ts';
import { detachedExec } from '../detached-exec.ts';
import { ZlayerError } from '../errors.ts';
import type { ExecProcess, ExecResult, TerminalSize } from '../exec.ts';
import type { OutputChunk } from '../output.ts';
import { OutputLimitError } from '../output-limit-error.ts';
import { signalNumber } from '../signals.ts';
import { ChunkQueue } from './chunk-queue.ts';
import type { FakeProcess } from './fake-process.ts';

/** Starts the process of an exec; `output` resolves when it may write more. */
export type Spawn = (output: (chunk: OutputChunk) => Promise<void>) => FakeProcess;

/** Runs a process to its end and keeps its output, up to a limit. */
export async function runToEnd(
  spawn: Spawn,
  { input, limit, signal }: { input: Uint8Array; limit: number; signal?: AbortSignal | undefined },
): Promise<ExecResult> {
  signal?.throwIfAborted();
  const pieces: Record<OutputChunk['stream'], Uint8Array[]> = { stdout: [], stderr: [] };
  const size = { stdout: 0, stderr: 0 };
  let exceeded = false;
  const process = spawn(async ({ stream, data }) => {
    const kept = data.subarray(0, limit - size[stream]);
    pieces[stream].push(kept);
    size[stream] += kept.byteLength;
    if (kept.byteLength === data.byteLength) return;
    exceeded = true;
    process.deliver(9);
  });
  const abort = (): void => process.deliver(9);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    void process.writeInput(input).then(() => process.closeInput());
    const exit = await process.exit;
    signal?.throwIfAborted();
    const stdout = Buffer.concat(pieces.stdout);
    const stderr = Buffer.concat(pieces.stderr);
    const output = { stdout, stderr, stdoutText: stdout.toString(), stderrText: stderr.toString() };
    if (exceeded) throw new OutputLimitError(process.options.argv, { limit, stdout, stderr });
    if (exit.exitCode === undefined) throw new ZlayerError('INTERNAL', exit.message);
    const killed =
      exit.reason === 'signal' ? { signal: exit.signal } : exit.reason === 'oom-killed' ? { signal: 9 } : {};
    return { exitCode: exit.exitCode, ...killed, ...output };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** What is refused of a process, and why. */
export interface ExecRefusals {
  resize(): ZlayerError;
  /** Absent: it can be detached. */
  detach?: (() => ZlayerError) | undefined;
}

/** A process with Node's streams. */
export class FakeExecProcess implements ExecProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<ExitResult>;
  readonly #process: FakeProcess;
  readonly #refusals: ExecRefusals;
  readonly #detach = Promise.withResolvers<never>();
  #isDetached = false;

  constructor(spawn: Spawn, signal: AbortSignal | undefined, refusals: ExecRefusals) {
    signal?.throwIfAborted();
    const queues = { stdout: outputQueue(), stderr: outputQueue() };
    const process = spawn(({ stream, data }) => queues[stream].push(data));
    this.#process = process;
    this.#refusals = refusals;
    this.stdout = Readable.from(queues.stdout, { objectMode: false });
    this.stderr = Readable.from(queues.stderr, { objectMode: false });
    this.stdin = new Writable({
      write: (data: Uint8Array, _encoding, done) => {
        if (!process.inputOpen) done(new ZlayerError('CONFLICT', 'the process has ended'));
        else process.writeInput(data).then(() => done(), done);
      },
      final: (done) => {
        process.closeInput();
        done();
      },
    });
    const streams = [this.stdin, this.stdout, this.stderr];
    // Whoever does not look at them gets to know by `exit`.
    for (const stream of streams) stream.on('error', () => {});
    const abort = (): void => {
      process.deliver(9);
      for (const stream of streams) stream.destroy(signal?.reason);
      for (const queue of Object.values(queues)) queue.abandon();
    };
    signal?.addEventListener('abort', abort, { once: true });
    const ended = process.exit.then(async (result) => {
      for (const queue of Object.values(queues)) queue.end();
      await Promise.all(Object.values(queues).map((queue) => queue.drained()));
      signal?.removeEventListener('abort', abort);
      signal?.throwIfAborted();
      return result;
    });
    const detached = this.#detach.promise.catch((error: unknown) => {
      signal?.removeEventListener('abort', abort);
      // What is there can still be read.
      for (const queue of Object.values(queues)) queue.end();
      throw error;
    });
    this.exit = Promise.race([ended, detached]);
    for (const promise of [ended, detached, this.exit]) promise.catch(() => {});
  }

  get hasStarted(): boolean {
    return !this.#process.options.isMissing;
  }

  async kill(signal: string | number = 'SIGTERM'): Promise<void> {
    this.#process.deliver(signalNumber(signal));
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.#process.options.terminal) throw this.#refusals.resize();
    this.#process.resize(size);
  }

  async detach(): Promise<void> {
    if (this.#refusals.detach) throw this.#refusals.detach();
    if (this.#isDetached || !this.#process.running) return;
    this.#isDetached = true;
    this.#detach.reject(detachedExec());
    this.stdin.destroy();
    if (!this.#process.options.terminal) this.#process.closeInput();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy();
    if (this.#isDetached) return;
    this.#process.deliver(9);
    await this.#process.exit;
  }
}

function outputQueue(): ChunkQueue<Uint8Array> {
  return new ChunkQueue((data) => data.byteLength);
}
