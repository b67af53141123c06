import type { Writable } from 'node:stream';
import type { MessageOf } from '../message.ts';
import { AgentError, lostError } from './agent-error.ts';
import { BoundedQueue } from './bounded-queue.ts';
import type { CallOptions } from './deadline.ts';
import type { IdleConnections } from './idle-connections.ts';
import type { MessageConnection } from './message-connection.ts';
import type { ProcessDialect } from './process-dialect.ts';
import { ProcessInput } from './process-input.ts';

/** Bytes of output that wait for a reader on this side before no more is read from the agent. */
const QUEUE_BYTES = 256 * 1024;

/** What a piece of output costs beside its bytes, so that tiny ones do not wait by the hundred thousand. */
const PIECE_OVERHEAD = 64;

/** A piece of what a process wrote. */
export interface ProcessOutput {
  stream: 'stdout' | 'stderr';
  /** Of the first byte of `data` in all output of the process, both streams counted together. */
  offset: number;
  /** When the guest read it, in microseconds since 1970; `null` from an agent without extensions. */
  unixMicros: number | null;
  /** A view of the chunk that arrived: copy what is kept for long. */
  data: Uint8Array;
}

/** How a process ended. */
export interface ProcessExit {
  /** 0 to 255; 128 + N after signal N. */
  code: number;
  /** The signal that ended it; `null` without one, or from an agent without extensions. */
  signal: number | null;
  /** Whether the kernel killed it for want of memory; `null` when unknown. */
  oomKilled: boolean | null;
  /** The offset behind the last byte of output. */
  outputEnd: number;
  /** Bytes of output that had to be given up, because nobody took them in time (`whenFull: 'dropOldest'`). */
  droppedBytes: number;
}

export type SignalTarget = MessageOf<'SignalProcess'>['target'];
export type TerminalSize = MessageOf<'Resize'>['size'];

/**
 * When the guest may forget output: `automatic`, when the next piece is asked for and all of it once the process has
 * ended; `explicit`, as far as `taken` says, for those who want to attach again after a crash and miss nothing.
 */
export type Acknowledge = 'automatic' | 'explicit';

export interface ProcessOptions extends CallOptions {
  /** `automatic` by default. */
  acknowledge?: Acknowledge | undefined;
}

/** A process in the guest, and the connection that is its own. */
export class AgentProcess {
  /** The agent's number of the process, good on every connection; 0 is the workload. */
  readonly id: number;
  /** In the guest; `null` when an agent without extensions did not say. */
  readonly pid: number | null;
  /** The offset at which `output` begins. */
  readonly outputOffset: number;
  /** Standard input; `null` when the process was started without. Its errors need not be listened to. */
  readonly stdin: Writable | null;
  /**
   * What it writes, in order. Rejects when the connection is lost: attach again then. Leaving the loop ends nothing.
   */
  readonly output: AsyncIterable<ProcessOutput>;
  /**
   * How the process ended, known once all output has come. Rejects when the connection is lost: how it ended is unknown
   * then. At most 256 KiB of output wait for a reader; who wants none of it calls `discardOutput`.
   */
  readonly exited: Promise<ProcessExit>;

  readonly #connection: MessageConnection;
  readonly #dialect: ProcessDialect;
  readonly #acknowledge: Acknowledge;
  readonly #input: ProcessInput | null;
  readonly #queue = new BoundedQueue<ProcessOutput>(QUEUE_BYTES, ({ data }) => data.length + PIECE_OVERHEAD);
  readonly #exit = Promise.withResolvers<ProcessExit>();
  #received: number;
  #taken: number;
  #reported: number;
  #isReporting = false;
  #ending: number | undefined;
  readonly #idle: IdleConnections | undefined;
  /** The connection is somebody else's already. */
  #hasLeft = false;

  /** @param idle Takes the connection when the process has ended. Without it, the connection is ended. */
  constructor(
    connection: MessageConnection,
    dialect: ProcessDialect,
    acknowledge: Acknowledge = 'automatic',
    idle?: IdleConnections | undefined,
  ) {
    const { id, pid, outputOffset, stdinWindow } = dialect;
    this.id = id;
    this.pid = pid;
    this.outputOffset = outputOffset;
    this.#connection = connection;
    this.#dialect = dialect;
    this.#acknowledge = acknowledge;
    this.#idle = acknowledge === 'automatic' ? idle : undefined;
    this.#received = this.#taken = this.#reported = outputOffset;
    this.#input = stdinWindow === null ? null : new ProcessInput(connection, stdinWindow);
    this.stdin = this.#input;
    this.output = { [Symbol.asyncIterator]: () => this.#pieces() };
    this.exited = this.#exit.promise;
    this.exited.catch(() => {});
    void this.#listen();
  }

  /** Says that all output before `offset` is safe here, so that the guest need not keep it. */
  taken(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset > this.#received) {
      throw new AgentError('invalid', `output before ${offset} cannot be taken: ${this.#received} is all that came`);
    }
    if (offset <= this.#taken) return;
    this.#taken = offset;
    if (this.#isReporting) return;
    this.#isReporting = true;
    // Told once for all that is taken until then: small pieces come by the thousand.
    setImmediate(() => this.#report());
  }

  /** Takes all output and gives it up, for those who only wait for the end. */
  async discardOutput(): Promise<void> {
    for await (const { offset, data } of this.output) this.taken(offset + data.length);
  }

  /** Sends a signal to the process, to its group, or to everything in the container. */
  signal(signum: number, target: SignalTarget = 'process'): Promise<void> {
    return this.#dialect.signal(signum, target);
  }

  /** Tells the process that its terminal has another size. */
  resize(size: TerminalSize): Promise<void> {
    return this.#dialect.resize(size);
  }

  /**
   * Lets it go on by itself, and gives the connection up: its input ends, but on a terminal, which stays open, and nothing
   * that it writes is kept. Only for what `execute` has started.
   */
  async detach(): Promise<void> {
    await this.#dialect.detach();
    this.close();
  }

  /** Gives the connection up. What becomes of a process that still runs was said when it was started. */
  close(): void {
    if (!this.#hasLeft) this.#connection.destroy();
    this.#queue.end({ error: lostError(this.#connection.purpose, new Error('it was closed on this side')) });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async *#pieces(): AsyncGenerator<ProcessOutput, void, undefined> {
    for (let piece = await this.#queue.shift(); piece !== undefined; piece = await this.#queue.shift()) {
      yield piece;
      if (this.#acknowledge === 'automatic') this.taken(piece.offset + piece.data.length);
    }
  }

  async #listen(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#connection.answer();
        const event = this.#dialect.event(message);
        if (event.type === 'output') await this.#take(event);
        if (event.type === 'stdinTaken') this.#credit(event.bytes);
        if (event.type === 'failed') throw event.error;
        if (event.type === 'exited') return this.#finish(event.exit);
      }
    } catch (error) {
      this.#connection.destroy(error);
      this.#input?.destroy(error instanceof Error ? error : lostError(this.#connection.purpose, error));
      this.#queue.end({ error });
      this.#exit.reject(error);
    }
  }

  async #take({ stream, offset, unixMicros, data }: ProcessOutput): Promise<void> {
    this.#requireOffset(offset);
    const end = offset + data.length;
    const { spoolBytes } = this.#dialect;
    if (spoolBytes !== undefined && end - this.#taken > spoolBytes) {
      throw this.#malformed(
        `sent output up to ${end} when ${this.#taken} was taken, beyond its window of ${spoolBytes}`,
      );
    }
    this.#received = end;
    if (data.length === 0) return;
    this.#queue.push({ stream, offset, unixMicros, data });
    await this.#queue.room();
  }

  #credit(bytes: number): void {
    if (this.#input?.credit(bytes) !== true) throw this.#malformed(`took ${bytes} bytes of input, more than were sent`);
  }

  #finish(exit: ProcessExit): void {
    this.#requireOffset(exit.outputEnd);
    this.#received = exit.outputEnd;
    this.#ending = exit.outputEnd;
    this.#queue.end('end');
    this.#input?.destroy();
    if (this.#idle !== undefined) {
      this.#hasLeft = true;
      this.#taken = this.#reported = exit.outputEnd;
      this.#idle.keep(this.#connection);
    }
    this.#exit.resolve(exit);
    if (this.#hasLeft) return;
    if (this.#acknowledge === 'automatic') this.taken(exit.outputEnd);
    if (this.#taken === exit.outputEnd && !this.#isReporting) void this.#connection.end();
  }

  /** Output follows what came before; a gap is there only where old output may be given up. */
  #requireOffset(offset: number): void {
    if (offset === this.#received || (offset > this.#received && this.#dialect.mayDrop)) return;
    throw this.#malformed(`gave the offset ${offset} where ${this.#received} belongs`);
  }

  async #report(): Promise<void> {
    try {
      while (this.#reported < this.#taken && !this.#hasLeft) {
        this.#reported = this.#taken;
        await this.#dialect.acknowledge(this.#reported);
      }
    } catch {
      // Who waits for the next message learns of a failure; this one only says what needs no answer.
    }
    this.#isReporting = false;
    if (this.#taken === this.#ending && !this.#hasLeft) await this.#connection.end();
  }

  #malformed(what: string): AgentError {
    return new AgentError('malformed', `${this.#connection.purpose}: the guest agent ${what}`);
  }
}
