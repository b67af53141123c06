import { type OwnerRecord, ownerGone, type Vm } from '@zlayer/host';
import {
  type Cancellable,
  ConflictError,
  type ExitResult,
  type LogChunk,
  type LogOptions,
  type OutputChunk,
  type StartReport,
  type TerminalSize,
  type WaitOptions,
  type ZlayerError,
} from '@zlayer/runtime-core';
import type { ContainerHandle } from './container-handle.ts';
import { readContainerLog } from './container-log.ts';
import type { ContainerRecord } from './container-record.ts';
import { Guest } from './guest.ts';
import { agentOf } from './machine.ts';
import { askOwner, type OwnerCalls } from './owner-socket.ts';
import { RecordedContainer } from './recorded-container.ts';

export interface ForeignContainerOptions {
  directory: string;
  /** As it is at the moment. */
  record: ContainerRecord;
  owner: OwnerRecord;
  /** Its machine, if it runs. */
  machine(): Promise<Vm | undefined>;
}

/**
 * A container of another process that is alive, as its record says at the moment. What is read comes from its files and
 * its guest; what changes it is asked of its owner. Its live output and its input are the owner's alone.
 */
export class ForeignContainer extends RecordedContainer implements ContainerHandle {
  readonly record: ContainerRecord;
  readonly #owner: OwnerRecord;
  readonly #machine: () => Promise<Vm | undefined>;

  constructor({ directory, record, owner, machine }: ForeignContainerOptions) {
    super(directory);
    this.record = record;
    this.#owner = owner;
    this.#machine = machine;
  }

  async guest(): Promise<[Guest, () => void]> {
    if (this.state.status !== 'running') throw this.#conflict(this.whyNotRunning);
    const vm = await this.#machine();
    if (vm === undefined) throw this.#conflict('is not running');
    return [new Guest({ vm, agent: agentOf(vm) }, this.record), () => {}];
  }

  start(options: Cancellable): Promise<StartReport> {
    return this.#ask('start', [this.#reference], options);
  }

  stop(timeoutMs: number): Promise<void> {
    return this.#ask('stop', [this.#reference, timeoutMs]);
  }

  kill(signal: string | number): Promise<void> {
    return this.#ask('kill', [this.#reference, signal]);
  }

  remove(force: boolean): Promise<void> {
    return this.#ask('remove', [this.#reference, force]);
  }

  pause(): Promise<void> {
    return this.#ask('pause', [this.#reference]);
  }

  unpause(): Promise<void> {
    return this.#ask('unpause', [this.#reference]);
  }

  async wait({ condition = 'not-running', signal }: WaitOptions): Promise<ExitResult> {
    // JSON has no `undefined`: the exit code that nobody knows is not in the answer.
    const result = await this.#ask('wait', [this.#reference, condition], { signal });
    return result.reason === 'runtime-error' ? { ...result, exitCode: undefined } : result;
  }

  attach(_options: Cancellable): AsyncIterable<OutputChunk> {
    throw this.#conflict('is attached to by its owner alone', 'Follow its log instead.');
  }

  /** Follows until the container has ended, as its owner says, or until its owner has gone. */
  async *logs(options: LogOptions): AsyncGenerator<LogChunk, void> {
    const stop = new AbortController();
    const isOver = this.state.status === 'exited' || this.state.status === 'failed';
    const ended = options.follow && !isOver ? this.#endOf(stop.signal) : Promise.resolve();
    try {
      yield* readContainerLog(this.logFile, ended, options);
    } finally {
      stop.abort();
    }
  }

  async writeStdin(): Promise<void> {
    throw this.#conflict(
      'takes input from its owner alone',
      'Use exec, or write to it in the program that started it.',
    );
  }

  closeStdin(): Promise<void> {
    return this.#ask('closeStdin', [this.#reference]);
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#ask('resize', [this.#reference, size]);
  }

  get #reference() {
    return { ...this.id, instance: this.instance };
  }

  #ask<Call extends keyof OwnerCalls>(call: Call, args: Parameters<OwnerCalls[Call]>, options?: Cancellable) {
    return askOwner(this.#owner.instance, call, args, options);
  }

  async #endOf(signal: AbortSignal): Promise<void> {
    const end = this.#ask('wait', [this.#reference, 'not-running'], { signal });
    await Promise.race([end, ownerGone(this.directory, { signal })]).catch(() => {});
  }

  #conflict(what: string, remedy?: string): ZlayerError {
    return new ConflictError(`container ${this.name} of process ${this.#owner.pid} ${what}`, {
      subject: this.name,
      remedy,
    });
  }
}
