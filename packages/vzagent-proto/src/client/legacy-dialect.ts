import type { Message } from '../message.ts';
import { AgentError, outOfPlace, reportedError } from './agent-error.ts';
import type { SignalTarget } from './agent-process.ts';
import type { MessageConnection } from './message-connection.ts';
import { isPossibleExit, type ProcessDialect, type ProcessEvent } from './process-dialect.ts';

/** A process as an agent that knows only tags 1 to 14 tells of it: the workload (0), or one executed beside it. */
export class LegacyDialect implements ProcessDialect {
  readonly id: number;
  readonly pid: number | null;
  readonly outputOffset = 0;
  readonly stdinWindow: number | null;
  readonly spoolBytes = undefined;
  readonly mayDrop = false;
  readonly #connection: MessageConnection;
  readonly #isWorkload: boolean;
  readonly #sendSignal: (signum: number) => Promise<void>;
  #offset = 0;
  #hasStarted = false;

  constructor(
    connection: MessageConnection,
    {
      isWorkload,
      pid,
      stdin,
      sendSignal,
    }: { isWorkload: boolean; pid: number | null; stdin: boolean; sendSignal: (signum: number) => Promise<void> },
  ) {
    this.id = isWorkload ? 0 : -1;
    this.pid = pid;
    this.stdinWindow = stdin ? Number.POSITIVE_INFINITY : null;
    this.#connection = connection;
    this.#isWorkload = isWorkload;
    this.#sendSignal = sendSignal;
  }

  event(message: Message): ProcessEvent {
    const { purpose } = this.#connection;
    switch (message.type) {
      case 'Stdout':
      case 'Stderr': {
        const offset = this.#offset;
        this.#offset += message.data.length;
        const stream = message.type === 'Stdout' ? 'stdout' : 'stderr';
        return { type: 'output', stream, offset, unixMicros: null, data: message.data };
      }
      case 'Started':
        // Some agents tell this of an exec, and some do not.
        if (this.#isWorkload || this.#hasStarted) throw outOfPlace(purpose, message.type);
        this.#hasStarted = true;
        return { type: 'nothing' };
      case 'Exited': {
        const { code } = message;
        const exit = { code, signal: null, oomKilled: null, outputEnd: this.#offset, droppedBytes: 0 };
        if (isPossibleExit(exit)) return { type: 'exited', exit };
        throw new AgentError('malformed', `${purpose}: the guest agent reported the impossible exit code ${code}`);
      }
      case 'Error':
        // To a workload that runs it answers a signal or the like, and changes nothing; an exec has nothing else to
        // ask.
        return this.#isWorkload ? { type: 'nothing' } : { type: 'failed', error: reportedError(purpose, message) };
      default:
        throw outOfPlace(purpose, message.type);
    }
  }

  async acknowledge(): Promise<void> {}

  async signal(signum: number, target: SignalTarget): Promise<void> {
    if (!this.#isWorkload) throw legacyError('signals for anything but the workload');
    if (target !== 'process') throw legacyError('signals for a group');
    await this.#sendSignal(signum);
  }

  async resize(): Promise<void> {
    throw legacyError('terminals');
  }

  async detach(): Promise<void> {
    throw legacyError('detaching from a process');
  }
}

/** An agent without extensions cannot do it. */
export function legacyError(feature: string): AgentError {
  return new AgentError('unsupported', `the agent in this guest has no extensions, and without them no ${feature}`, {
    subject: feature,
    remedy: 'Boot the guest with the agent of this release of @zlayer/vzagent.',
  });
}
