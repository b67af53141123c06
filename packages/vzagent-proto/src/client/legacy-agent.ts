import type { Duplex } from 'node:stream';
import type { MessageOf, MessageType } from '../message.ts';
import { type AgentCalls, expectType } from './agent-calls.ts';
import { reportedError } from './agent-error.ts';
import { AgentProcess, type ProcessOptions } from './agent-process.ts';
import type { CallOptions } from './deadline.ts';
import { LegacyDialect } from './legacy-dialect.ts';
import type { LegacyExec } from './legacy-start.ts';

type Fields<T extends MessageType> = Omit<MessageOf<T>, 'type'>;

export interface LegacyRunOptions extends ProcessOptions {
  /** Shares to mount before the workload starts. */
  mounts?: readonly Fields<'Mount'>[] | undefined;
  /** Whether input will follow; without it the workload reads the end of file at once. False by default. */
  stdin?: boolean | undefined;
}

/**
 * What tags 1 to 14 can do, for agents without extensions. Most of it has no answer: that it was sent is all that is
 * known.
 */
export class LegacyAgent {
  readonly #calls: AgentCalls;

  constructor(calls: AgentCalls) {
    this.#calls = calls;
  }

  /** Starts the workload (`Run`). */
  async run(
    request: Fields<'Run'>,
    { mounts = [], stdin = false, acknowledge, ...options }: LegacyRunOptions = {},
  ): Promise<AgentProcess> {
    const [connection, pid] = await this.#calls.open('Run', options, async (connection) => {
      for (const mount of mounts) await connection.send({ type: 'Mount', ...mount });
      await connection.send({ type: 'Run', ...request });
      if (!stdin) await connection.send({ type: 'StdinEof' });
      const answer = await connection.answer();
      if (answer.type === 'Error') throw reportedError('Run', answer, request.argv[0]);
      return expectType(answer, 'Started', 'Run').pid;
    });
    const sendSignal = (signum: number): Promise<void> => this.signal(signum);
    const dialect = new LegacyDialect(connection, { isWorkload: true, pid, stdin, sendSignal });
    return new AgentProcess(connection, dialect, acknowledge);
  }

  /** Runs a process beside the workload, without input (`Exec`). That it could not be started its `exited` tells. */
  async exec(request: LegacyExec, { acknowledge, ...options }: ProcessOptions = {}): Promise<AgentProcess> {
    // Not every agent says that the process has started: there is no answer to wait for.
    const [connection] = await this.#calls.open('Exec', options, (connection) =>
      connection.send({ type: 'Exec', ...request }),
    );
    const sendSignal = async (): Promise<void> => {};
    const dialect = new LegacyDialect(connection, { isWorkload: false, pid: null, stdin: false, sendSignal });
    return new AgentProcess(connection, dialect, acknowledge);
  }

  /** Sends the workload a signal (`Signal`). */
  async signal(signum: number, options: CallOptions = {}): Promise<void> {
    await this.#calls.tell({ type: 'Signal', signum }, options);
  }

  /** A share to mount when the workload is started (`Mount`). */
  async mount(mount: Fields<'Mount'>, options: CallOptions = {}): Promise<void> {
    await this.#calls.tell({ type: 'Mount', ...mount }, options);
  }

  /** Sets the guest's clock, to the second (`SetTime`). */
  async setTime(unixSecs: bigint, options: CallOptions = {}): Promise<void> {
    await this.#calls.tell({ type: 'SetTime', unixSecs }, options);
  }

  /** Brings the overlay network up (`OverlayConfig`). */
  async configureOverlay(settings: Fields<'OverlayConfig'>, options: CallOptions = {}): Promise<void> {
    await this.#calls.tell({ type: 'OverlayConfig', ...settings }, options);
  }

  /**
   * A raw stream to a TCP port on the guest's loopback (`Forward`). It half-closes if the transport does. Where nobody
   * listens, an agent sends an `Error` frame and closes: the stream cannot tell it from what a server said.
   */
  forward(port: number, options: CallOptions = {}): Promise<Duplex> {
    return this.#calls.raw({ type: 'Forward', port }, options);
  }
}
