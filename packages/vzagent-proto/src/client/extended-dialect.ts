import type { Message, MessageOf } from '../message.ts';
import { AgentError, failedError, outOfPlace } from './agent-error.ts';
import type { SignalTarget, TerminalSize } from './agent-process.ts';
import type { MessageConnection } from './message-connection.ts';
import { isPossibleExit, type ProcessDialect, type ProcessEvent } from './process-dialect.ts';

/** What the agent may send beyond a process's spool: what its two pipes still held at its end, 256 KiB each. */
const SPOOL_SLACK = 2 * 256 * 1024 + 1;

/** What is done on connections of its own, so that an answer is never taken for something else. */
export interface ProcessRequests {
  signal(process: number, signum: number, target: SignalTarget): Promise<void>;
  resize(process: number, size: TerminalSize): Promise<void>;
  detach(process: number): Promise<void>;
}

/** What the process was started with, as far as its connection goes; without it less can be checked. */
export interface ProcessTerms {
  /** Whether it has standard input; taken for true when it is not known. */
  stdin?: boolean | undefined;
  /** With `whenFull: 'block'`, what the guest may send without acknowledgement. */
  spoolBytes?: number | undefined;
  /** With `block`, a gap in the output is an error. */
  whenFull?: 'block' | 'dropOldest' | undefined;
}

/** A process as an agent with the extensions tells of it. */
export class ExtendedDialect implements ProcessDialect {
  readonly id: number;
  readonly pid: number;
  readonly outputOffset: number;
  readonly stdinWindow: number | null;
  readonly spoolBytes: number | undefined;
  readonly mayDrop: boolean;
  readonly #connection: MessageConnection;
  readonly #requests: ProcessRequests;

  constructor(
    connection: MessageConnection,
    { process, pid, outputOffset, stdinWindow }: MessageOf<'ProcessStarted'>,
    requests: ProcessRequests,
    { stdin = true, spoolBytes, whenFull }: ProcessTerms,
  ) {
    this.id = process;
    this.pid = pid;
    this.outputOffset = outputOffset;
    this.stdinWindow = stdin ? stdinWindow : null;
    // Where output may be dropped, what is not acknowledged has no bound.
    this.spoolBytes = spoolBytes === undefined || whenFull !== 'block' ? undefined : spoolBytes + SPOOL_SLACK;
    this.mayDrop = whenFull !== 'block';
    this.#connection = connection;
    this.#requests = requests;
  }

  event(message: Message): ProcessEvent {
    const { purpose } = this.#connection;
    switch (message.type) {
      case 'Output': {
        const { stream, offset, unixMicros, data } = message;
        return { type: 'output', stream, offset, unixMicros, data };
      }
      case 'StdinTaken':
        return { type: 'stdinTaken', bytes: message.bytes };
      case 'Failed':
        return { type: 'failed', error: failedError(purpose, message) };
      case 'ProcessExited': {
        const { type: _, process, ...exit } = message;
        if (process === this.id && isPossibleExit(exit)) return { type: 'exited', exit };
        const told = `process ${process}, code ${exit.code}, signal ${exit.signal}`;
        throw new AgentError('malformed', `${purpose}: the guest agent reported an impossible exit: ${told}`);
      }
      default:
        throw outOfPlace(purpose, message.type);
    }
  }

  acknowledge(offset: number): Promise<void> {
    return this.#connection.send({ type: 'OutputTaken', offset });
  }

  signal(signum: number, target: SignalTarget): Promise<void> {
    return this.#requests.signal(this.id, signum, target);
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#requests.resize(this.id, size);
  }

  detach(): Promise<void> {
    return this.#requests.detach(this.id);
  }
}
