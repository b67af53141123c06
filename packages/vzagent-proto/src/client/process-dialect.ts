import type { Message } from '../message.ts';
import type { ProcessExit, ProcessOutput, SignalTarget, TerminalSize } from './agent-process.ts';

/** What a message on a process's connection says about it. */
export type ProcessEvent =
  | ({ type: 'output' } & ProcessOutput)
  | { type: 'stdinTaken'; bytes: number }
  | { type: 'exited'; exit: ProcessExit }
  | { type: 'failed'; error: Error }
  | { type: 'nothing' };

/** How the agent speaks of a process: with the extensions or without. */
export interface ProcessDialect {
  readonly id: number;
  readonly pid: number | null;
  readonly outputOffset: number;
  /** Bytes of input that the guest has room for now; `null` without input. */
  readonly stdinWindow: number | null;
  /** Most bytes of output that may come unacknowledged; `undefined` when it is not known. */
  readonly spoolBytes: number | undefined;
  /** Whether old output may be missing. */
  readonly mayDrop: boolean;

  /** @throws AgentError for a message that has no place on the connection. */
  event(message: Message): ProcessEvent;
  acknowledge(offset: number): Promise<void>;
  signal(signum: number, target: SignalTarget): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
  detach(): Promise<void>;
}

/** @returns the exit, if it is one that can be. */
export function isPossibleExit({ code, signal }: ProcessExit): boolean {
  const isSignal = signal === null || (signal >= 1 && signal <= 64 && code === 128 + signal);
  return code >= 0 && code <= 255 && isSignal;
}
