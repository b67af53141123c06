import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { abortable } from '../abortable.ts';
import type { Cancellable } from '../cancellable.ts';
import { mergeEnv } from '../command.ts';
import { type ContainerId, formatContainerId } from '../container-id.ts';
import { type ContainerState, type ExitResult, isActive } from '../container-state.ts';
import { ZlayerError } from '../errors.ts';
import type { RuntimeEvent } from '../events.ts';
import type { ExecOptions, StreamingExecOptions } from '../exec.ts';
import type { OutputChunk } from '../output.ts';
import type { ContainerDetails, WaitCondition, WaitOptions } from '../runtime.ts';
import type { ServiceSpec } from '../service-spec.ts';
import { signalNumber } from '../signals.ts';
import type { StartReport } from '../start-report.ts';
import type { ContainerStats, ProcessEntry } from '../stats.ts';
import { ChunkQueue } from './chunk-queue.ts';
import type { StoredFakeImage } from './fake-image-store.ts';
import { FakeLog } from './fake-log.ts';
import { FakeProcess } from './fake-process.ts';
import { resolveUser } from './fake-user.ts';

const SIGKILL = 9;
const TERMINAL = { columns: 80, rows: 24 };

type EventBody = RuntimeEvent extends infer E
  ? E extends RuntimeEvent
    ? Omit<E, 'time' | 'container'>
    : never
  : never;

/** What a container is made of. */
export interface FakeContainerOptions {
  id: ContainerId;
  spec: ServiceSpec;
  image: StoredFakeImage;
  argv: readonly string[];
  report: (event: RuntimeEvent) => void;
  /** Called when it has ended and its spec wants it removed. */
  deleteOnExit: (container: FakeContainer) => void;
}

/** One container of the fake runtime. */
export class FakeContainer {
  id: ContainerId;
  readonly instance = randomUUID();
  readonly createdAt = new Date();
  readonly log = new FakeLog();
  readonly #options: FakeContainerOptions;
  readonly #waiting = new Set<{ condition: WaitCondition; resolve: (result: ExitResult) => void }>();
  readonly #attachments = new Set<ChunkQueue<OutputChunk>>();
  readonly #starts = new Set<AbortController>();
  readonly #execs = new Set<FakeProcess>();
  #turn: Promise<unknown> = Promise.resolve();
  #state: ContainerState = { status: 'pending' };
  #main: FakeProcess | undefined;
  #startedAt: Date | undefined;
  #endedAt: Date | undefined;
  #exit: ExitResult | undefined;
  #removed = false;
  #lastPid = 0;

  constructor(options: FakeContainerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#report({ type: 'created' });
  }

  get name(): string {
    return formatContainerId(this.id);
  }

  get state(): ContainerState {
    return this.#state;
  }

  get spec(): ServiceSpec {
    return this.#options.spec;
  }

  get image(): StoredFakeImage {
    return this.#options.image;
  }

  get active(): boolean {
    return isActive(this.#state.status);
  }

  details(): ContainerDetails {
    const { summary } = this.image;
    return {
      id: this.id,
      instance: this.instance,
      image: this.spec.image,
      state: this.#state,
      spec: this.spec,
      imageDigest: summary.digest,
      platform: summary.platform,
      createdAt: this.createdAt,
      startedAt: this.#startedAt,
      endedAt: this.#endedAt,
      exit: this.#exit,
    };
  }

  start({ signal }: Cancellable): Promise<StartReport> {
    const giveUp = new AbortController();
    this.#starts.add(giveUp);
    return this.#inTurn(async () => {
      const began = performance.now();
      try {
        this.#exists();
        signal?.throwIfAborted();
        if (this.active) throw this.#conflict('is running already');
        giveUp.signal.throwIfAborted();
        this.#enter({ status: 'initializing' });
        await this.#launch(signal ? AbortSignal.any([signal, giveUp.signal]) : giveUp.signal);
      } finally {
        this.#starts.delete(giveUp);
      }
      return { stages: { workload: performance.now() - began } };
    });
  }

  stop(timeoutMs: number = this.spec.stopGracePeriod): Promise<void> {
    this.#giveUpStarts();
    return this.#inTurn(() => this.#stop(timeoutMs));
  }

  kill(signal: number): void {
    if (this.#main === undefined) throw this.#conflict('is not running');
    this.#main.deliver(signal);
  }

  /** Calls `onRemoved` as soon as the container is no more, before the next call has its turn. */
  remove(force: boolean, onRemoved: () => void): Promise<void> {
    if (force) this.#giveUpStarts();
    return this.#inTurn(async () => {
      if (this.#removed) return;
      if (this.active && !force) throw this.#conflict('is running', 'Stop it first, or remove it with force.');
      await this.#stop(0);
      this.#removed = true;
      onRemoved();
      for (const attachment of this.#attachments) attachment.end();
      this.log.wake();
      const message = `the container ${this.name} was removed`;
      const gone: ExitResult = { reason: 'runtime-error', exitCode: undefined, message };
      for (const { condition, resolve } of this.#waiting) {
        resolve(condition === 'next-exit' ? gone : (this.#exit ?? gone));
      }
      this.#waiting.clear();
      this.#report({ type: 'removed' });
    });
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => {
      this.#exists();
      if (this.#state.status !== 'running') throw this.#conflict('is not running');
      for (const process of this.#processes()) process.freeze();
      this.#enter({ status: 'paused' });
    });
  }

  unpause(): Promise<void> {
    return this.#inTurn(async () => {
      this.#exists();
      if (this.#state.status !== 'paused') throw this.#conflict('is not paused');
      this.#enter({ status: 'running' });
      for (const process of this.#processes()) process.thaw();
    });
  }

  rename(take: () => ContainerId): Promise<void> {
    return this.#inTurn(async () => {
      this.#exists();
      this.id = take();
    });
  }

  wait({ condition = 'not-running', signal }: WaitOptions): Promise<ExitResult> {
    if (condition === 'not-running' && this.#exit !== undefined && !this.active) return Promise.resolve(this.#exit);
    const { promise, resolve } = Promise.withResolvers<ExitResult>();
    const waiting = { condition, resolve };
    this.#waiting.add(waiting);
    return abortable(promise, signal).finally(() => this.#waiting.delete(waiting));
  }

  attach({ signal }: Cancellable): AsyncIterable<OutputChunk> {
    const attachment = new ChunkQueue<OutputChunk>(({ data }) => data.byteLength, signal);
    if (this.#exit !== undefined && !this.active) attachment.end();
    else this.#attachments.add(attachment);
    return attachment;
  }

  async writeStdin(data: Uint8Array, { signal }: Cancellable): Promise<void> {
    const process = this.#main;
    if (!process) throw this.#conflict('is not running');
    if (!process.inputOpen) throw this.#conflict('has no open standard input');
    await abortable(process.writeInput(data), signal);
  }

  closeStdin(): void {
    if (!this.#main) throw this.#conflict('is not running');
    this.#main.closeInput();
  }

  /** Starts a further process. It ends with the container. */
  exec(
    argv: readonly string[],
    options: ExecOptions & Pick<StreamingExecOptions, 'tty'>,
    output: (chunk: OutputChunk) => Promise<void>,
  ): FakeProcess {
    if (this.#state.status !== 'running') throw this.#conflict('is not running');
    const process = this.#spawn(argv, options, output);
    this.#execs.add(process);
    process.exit.finally(() => this.#execs.delete(process));
    return process;
  }

  /** The process that listens on a port. */
  listener(port: number): FakeProcess | undefined {
    if (this.#state.status !== 'running') throw this.#conflict('is not running');
    return this.#processes().find(({ ports }) => ports.has(port));
  }

  /** Only what can be counted without a kernel. */
  stats(): ContainerStats {
    if (!this.#main) throw this.#conflict('is not running');
    return { time: new Date(), processes: this.#processes().length };
  }

  top(): ProcessEntry[] {
    if (!this.#main) throw this.#conflict('is not running');
    return this.#processes().map(({ options: { pid, user, argv } }) => ({
      pid,
      parentPid: 0,
      user: String(user.uid),
      command: argv.join(' '),
    }));
  }

  async #launch(signal: AbortSignal): Promise<void> {
    try {
      // A start takes time, so that there is something to give up.
      await setImmediate();
      signal.throwIfAborted();
      const { tty, openStdin } = this.spec;
      const options = { tty: tty ? TERMINAL : undefined };
      const main = this.#spawn(this.#options.argv, options, (chunk) => this.#output(chunk));
      if (!openStdin) main.closeInput();
      this.#main = main;
      this.#exit = undefined;
      this.#endedAt = undefined;
      this.#startedAt = new Date();
      void main.exit.then((result) => this.#ended(result));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#finish({ status: 'failed', reason }, { reason: 'runtime-error', exitCode: undefined, message: reason });
      if (signal.aborted) throw signal.reason;
      const subject = this.name;
      throw new ZlayerError('START_FAILED', `the container ${subject} did not start: ${reason}`, { subject, cause });
    }
    this.#enter({ status: 'running' });
  }

  #spawn(
    argv: readonly string[],
    { env = {}, cwd, user, tty }: ExecOptions & Pick<StreamingExecOptions, 'tty'>,
    output: (chunk: OutputChunk) => Promise<void>,
  ): FakeProcess {
    const { spec } = this;
    const { image } = this.image;
    const [file = ''] = argv;
    const program = Object.hasOwn(image.programs, file) ? image.programs[file] : undefined;
    if (program === undefined) {
      throw new ZlayerError('NOT_FOUND', `the image has no program ${JSON.stringify(file)}`, {
        subject: file,
        remedy: 'Add it to the programs of the image.',
      });
    }
    this.#lastPid += 1;
    return new FakeProcess({
      pid: this.#lastPid,
      program,
      argv,
      env: { ...Object.fromEntries(mergeEnv(image.env, spec.env)), ...env },
      cwd: cwd ?? spec.command.workdir ?? (image.workdir || '/'),
      user: resolveUser(user ?? spec.user ?? image.user ?? '', image),
      terminal: tty,
      output,
    });
  }

  /** Records what the workload writes, and lets it go on when every reader has room. */
  async #output(chunk: OutputChunk): Promise<void> {
    this.log.append(chunk);
    await Promise.all([...this.#attachments].map((attachment) => attachment.push(chunk)));
  }

  async #stop(timeoutMs: number): Promise<void> {
    const main = this.#main;
    if (main === undefined) return;
    this.#enter({ status: 'stopping' });
    const signal = signalNumber(this.spec.stopSignal ?? (this.image.image.stopSignal || 'SIGTERM'));
    for (const process of this.#processes()) process.thaw();
    const timer = setTimeout(() => main.deliver(SIGKILL), timeoutMs);
    if (timeoutMs > 0) main.deliver(signal);
    else main.deliver(SIGKILL);
    await main.exit;
    clearTimeout(timer);
  }

  #ended(result: ExitResult): void {
    this.#main = undefined;
    for (const process of this.#execs) process.deliver(SIGKILL);
    const { exitCode } = result;
    if (exitCode !== undefined) this.#finish({ status: 'exited', exitCode }, result);
    if (this.spec.lifecycle.deleteOnExit) this.#options.deleteOnExit(this);
  }

  #finish(state: ContainerState, result: ExitResult): void {
    this.log.flush();
    this.#exit = result;
    this.#endedAt = new Date();
    this.#enter(state);
    this.#report({ type: 'exited', result });
    for (const attachment of this.#attachments) attachment.end();
    this.#attachments.clear();
    this.log.wake();
    for (const waiting of this.#waiting) {
      if (waiting.condition === 'removed') continue;
      waiting.resolve(result);
      this.#waiting.delete(waiting);
    }
  }

  #enter(state: ContainerState): void {
    this.#state = state;
    this.#report({ type: 'state', state });
  }

  #report(event: EventBody): void {
    this.#options.report({ time: new Date(), container: { ...this.id, instance: this.instance }, ...event });
  }

  #processes(): FakeProcess[] {
    return [...(this.#main ? [this.#main] : []), ...this.#execs];
  }

  #giveUpStarts(): void {
    const reason = new ZlayerError('START_FAILED', `the start of ${this.name} was given up: it was stopped`, {
      subject: this.name,
    });
    for (const start of this.#starts) start.abort(reason);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => {});
    return result;
  }

  #exists(): void {
    if (!this.#removed) return;
    throw new ZlayerError('NOT_FOUND', `the container ${this.name} was removed`, { subject: this.name });
  }

  #conflict(what: string, remedy?: string): ZlayerError {
    return new ZlayerError('CONFLICT', `the container ${this.name} ${what}`, { subject: this.name, remedy });
  }
}
