import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { abortable } from '../abortable.ts';
import type { Cancellable } from '../cancellable.ts';
import { mergeEnv } from '../command.ts';
import { type ContainerId, formatContainerId } from '../container-id.ts';
import { type ContainerState, type ExitResult, isActive } from '../container-state.ts';
import { ZlayerError } from '../errors.ts';
import type { HealthStatus, RuntimeEvent } from '../events.ts';
import type { ExecOptions, StreamingExecOptions, TerminalSize } from '../exec.ts';
import { parseMemory } from '../memory.ts';
import type { PublishedPort } from '../network.ts';
import type { OutputChunk } from '../output.ts';
import { PendingStarts } from '../pending-starts.ts';
import { RestartPlan } from '../restart-plan.ts';
import type { ContainerDetails, WaitCondition, WaitOptions } from '../runtime.ts';
import type { ServiceSpec } from '../service-spec.ts';
import { signalNumber } from '../signals.ts';
import type { StartReport, StartWarning } from '../start-report.ts';
import type { ContainerStats, ProcessEntry } from '../stats.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { FakeContainerFiles } from './fake-container-files.ts';
import type { FakeFiles } from './fake-files.ts';
import { watchHealth } from './fake-health.ts';
import type { FakeHost } from './fake-host.ts';
import type { StoredFakeImage } from './fake-image-store.ts';
import { FakeLog } from './fake-log.ts';
import { connectTo, FakePorts } from './fake-ports.ts';
import { FakeProcess } from './fake-process.ts';
import type { FakeProgram } from './fake-program.ts';
import type { FakeState } from './fake-state.ts';
import { resolveUser } from './fake-user.ts';

const SIGKILL = 9;
const TERMINAL = { columns: 80, rows: 24 };

type HealthCheck = NonNullable<ServiceSpec['healthCheck']>;

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
  state: FakeState;
  host: FakeHost;
  maxMemoryBytes: number;
  owner: FakeOwner;
}

/** The runtime that a container belongs to. */
export interface FakeOwner {
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
  readonly #starts = new PendingStarts();
  readonly #restarts: RestartPlan;
  readonly #execs = new Set<FakeProcess>();
  #turn: Promise<unknown> = Promise.resolve();
  #state: ContainerState = { status: 'pending' };
  #main: FakeProcess | undefined;
  #startedAt: Date | undefined;
  #endedAt: Date | undefined;
  #exit: ExitResult | undefined;
  #removed = false;
  #lastPid = 0;
  #owner: FakeOwner;
  readonly #files: FakeContainerFiles;
  #ports: FakePorts | undefined;
  /** Aborted when the run ends. */
  #run = new AbortController();
  #health: HealthStatus | undefined;
  #memory = 0;
  #lastUse = 0;

  constructor(options: FakeContainerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#owner = options.owner;
    this.#files = new FakeContainerFiles(options.spec, options.image.image, options);
    this.#restarts = new RestartPlan({
      rule: options.spec.lifecycle.restart,
      starts: this.#starts,
      inTurn: (task) => this.#inTurn(task),
      announce: (attempt, delayMs) => this.#report({ type: 'restarting', attempt, delayMs }),
      launch: (signal) => this.#launch(signal),
    });
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

  get files(): FakeFiles {
    return this.#files.view;
  }

  get ports(): PublishedPort[] {
    return this.#ports?.published ?? [];
  }

  /** Somebody has used it: it is not idle. */
  touch(): void {
    this.#lastUse = performance.now();
  }

  /** Gives it to another runtime; nobody's events are of this one until then. */
  adopt(owner: FakeOwner): void {
    this.#owner = owner;
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
      health: this.#health,
      restarts: this.#restarts.counts.restarts,
    };
  }

  start({ signal: callers }: Cancellable): Promise<StartReport> {
    const start = async (signal: AbortSignal): Promise<StartReport> => {
      const began = performance.now();
      this.#exists();
      callers?.throwIfAborted();
      if (this.active) throw this.#conflict('is running already');
      signal.throwIfAborted();
      this.#restarts.reset();
      await this.#launch(signal);
      return { stages: { workload: performance.now() - began }, warnings: this.#reductions };
    };
    return this.#starts.run((signal) => this.#inTurn(() => start(signal)), callers);
  }

  stop(timeoutMs: number = this.spec.stopGracePeriod): Promise<void> {
    this.#starts.giveUp(this.name);
    return this.#inTurn(() => this.#stop(timeoutMs));
  }

  kill(signal: number): void {
    if (this.#main === undefined) throw this.#conflict('is not running');
    this.#main.deliver(signal);
  }

  /** Calls `onRemoved` as soon as the container is no more, before the next call has its turn. */
  remove(force: boolean, onRemoved: () => void): Promise<void> {
    if (force) this.#starts.giveUp(this.name);
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
      const from = this.id;
      this.id = take();
      this.#report({ type: 'renamed', from });
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
    this.#attachments.add(attachment);
    return attachment;
  }

  async writeStdin(data: Uint8Array, { signal }: Cancellable): Promise<void> {
    const process = this.#main;
    if (!process) throw this.#conflict('is not running');
    this.touch();
    if (!process.inputOpen) throw this.#conflict('has no open standard input');
    await abortable(process.writeInput(data), signal);
  }

  closeStdin(): void {
    if (!this.#main) throw this.#conflict('is not running');
    this.#main.closeInput();
  }

  resize(size: TerminalSize): void {
    if (!this.#main) throw this.#conflict('is not running');
    this.#main.resize(size);
  }

  /** Starts a further process. It ends with the container. */
  exec(
    argv: readonly string[],
    options: ExecOptions & Pick<StreamingExecOptions, 'tty'>,
    output: (chunk: OutputChunk) => Promise<void>,
  ): FakeProcess {
    if (this.#state.status !== 'running') throw this.#conflict('is not running');
    this.touch();
    const process = this.#spawn(argv, options, output, true);
    this.#execs.add(process);
    process.exit.finally(() => {
      this.#execs.delete(process);
      this.touch();
    });
    return process;
  }

  /** The process that listens on a port. */
  listener(port: number): FakeProcess | undefined {
    if (this.#state.status !== 'running') throw this.#conflict('is not running');
    this.touch();
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
    this.#enter({ status: 'initializing' });
    try {
      // A start takes time, so that there is something to give up.
      await setImmediate();
      signal.throwIfAborted();
      const { tty, openStdin, init, ports, sockets } = this.spec;
      this.#files.remount(this.#hostname);
      this.#memory = 0;
      this.#lastPid = init ? 1 : 0;
      this.#ports = await FakePorts.open(
        { ports, sockets },
        {
          host: this.#options.host,
          processes: () => (this.#state.status === 'running' ? this.#processes() : []),
          onUse: () => this.touch(),
        },
      );
      signal.throwIfAborted();
      const options = { tty: tty ? TERMINAL : undefined };
      const main = this.#spawn(this.#options.argv, options, (chunk) => this.#output(chunk), false);
      if (!openStdin) main.closeInput();
      this.#main = main;
      this.#exit = undefined;
      this.#endedAt = undefined;
      this.#startedAt = new Date();
      void main.exit.then((result) => this.#ended(result));
    } catch (cause) {
      await this.#ports?.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#finish({ status: 'failed', reason }, { reason: 'runtime-error', exitCode: undefined, message: reason });
      if (signal.aborted) throw signal.reason;
      const subject = this.name;
      throw new ZlayerError('START_FAILED', `the container ${subject} did not start: ${reason}`, { subject, cause });
    }
    this.#enter({ status: 'running' });
    for (const { message } of this.#reductions) this.#report({ type: 'warning', message });
    this.#watch();
  }

  get #hostname(): string {
    return this.spec.hostname ?? this.name.slice(0, 63);
  }

  /** What goes on beside a run: health checks, and the ends of its time. */
  #watch(): void {
    this.#run = new AbortController();
    const { signal } = this.#run;
    const { healthCheck, lifecycle } = this.spec;
    const { maxLifetime, idleTimeout } = lifecycle;
    if (healthCheck) {
      this.#setHealth('starting');
      const report = (status: HealthStatus): void => this.#setHealth(status);
      void watchHealth(healthCheck, { probe: (over) => this.#probe(healthCheck, over), report, signal });
    }
    const stop = (): void => void this.stop();
    if (maxLifetime !== undefined) after(maxLifetime, signal, stop);
    if (idleTimeout === undefined) return;
    const look = (): void => {
      const left = this.#execs.size > 0 ? idleTimeout : this.#lastUse + idleTimeout - performance.now();
      if (left > 0) after(left, signal, look);
      else stop();
    };
    this.touch();
    look();
  }

  async #probe({ command, http, tcp }: HealthCheck, signal: AbortSignal): Promise<boolean> {
    if (this.#state.status !== 'running') return false;
    if (command) {
      const process = this.#spawn(command, {}, async () => {}, true);
      process.closeInput();
      this.#execs.add(process);
      signal.addEventListener('abort', () => process.deliver(SIGKILL), { once: true });
      const { exitCode } = await process.exit.finally(() => this.#execs.delete(process));
      return exitCode === 0;
    }
    const port = http?.port ?? tcp?.port ?? 0;
    const process = this.#processes().find(({ ports }) => ports.has(port));
    const socket = process && connectTo(process, port);
    if (!socket) return false;
    try {
      if (!http) return true;
      socket.write(`GET ${http.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      const [answer] = await once(socket, 'data', { signal });
      return /^HTTP\/1\.[01] [23]\d\d/.test(String(answer));
    } finally {
      socket.destroy();
    }
  }

  #setHealth(status: HealthStatus): void {
    this.#health = status;
    this.#report({ type: 'health', status });
  }

  #spawn(
    argv: readonly string[],
    { env = {}, cwd, user, tty }: ExecOptions & Pick<StreamingExecOptions, 'tty'>,
    output: (chunk: OutputChunk) => Promise<void>,
    isExec: boolean,
  ): FakeProcess {
    const { spec } = this;
    const { image } = this.image;
    const [file = ''] = argv;
    const found = Object.hasOwn(image.programs, file) ? image.programs[file] : undefined;
    const program = found ?? (isExec ? this.#missing(file) : undefined);
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
      isMissing: found === undefined,
      argv,
      env: { ...Object.fromEntries(mergeEnv(image.env, spec.env)), ...env },
      cwd: cwd ?? spec.command.workdir ?? (image.workdir || '/'),
      user: resolveUser(user ?? spec.user ?? image.user ?? '', image),
      terminal: tty,
      hostname: this.#hostname,
      files: this.files,
      allocate: (bytes) => this.#allocate(bytes),
      output,
    });
  }

  /** An exec of what cannot be run has a result, as a shell's would. */
  #missing(file: string): FakeProgram {
    const isThere = file.startsWith('/') && this.files.stat(file) !== undefined;
    return async ({ stderr }) => {
      await stderr.write(`${file}: ${isThere ? 'it cannot be run' : 'there is no such program'}\n`);
      return isThere ? 126 : 127;
    };
  }

  get #reductions(): StartWarning[] {
    const asked = parseMemory(this.spec.resources.memory);
    const given = this.#memoryLimit;
    if (given >= asked) return [];
    const message = `resources.memory asks for ${asked} bytes, and a container here can have ${given}`;
    return [{ kind: 'reduced', field: 'resources.memory', asked, given, message }];
  }

  get #memoryLimit(): number {
    return Math.min(parseMemory(this.spec.resources.memory), this.#options.maxMemoryBytes);
  }

  #allocate(bytes: number): boolean {
    this.#memory += bytes;
    if (this.#memory <= this.#memoryLimit) return true;
    this.#memory -= bytes;
    this.#report({ type: 'oom' });
    return false;
  }

  /** Records what the workload writes, and lets it go on when every reader has room. */
  async #output(chunk: OutputChunk): Promise<void> {
    this.log.append(chunk);
    await Promise.all([...this.#attachments].map((attachment) => attachment.push(chunk)));
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#restarts.forget();
    const main = this.#main;
    if (main === undefined) return;
    this.#enter({ status: 'stopping' });
    const signal = signalNumber(this.spec.stopSignal ?? (this.image.image.stopSignal || 'SIGTERM'));
    for (const process of this.#processes()) process.thaw();
    const timer = setTimeout(() => main.deliver(SIGKILL), timeoutMs);
    if (timeoutMs > 0) main.deliver(signal);
    else main.deliver(SIGKILL);
    const ports = this.#ports;
    await main.exit;
    clearTimeout(timer);
    // A port is free when the stop is over.
    await ports?.close();
  }

  #ended(result: ExitResult): void {
    const asked = this.#state.status === 'stopping';
    this.#main = undefined;
    for (const process of this.#execs) process.deliver(SIGKILL);
    const { exitCode } = result;
    if (exitCode !== undefined) this.#finish({ status: 'exited', exitCode }, result);
    if (!asked) this.#restarts.ended(result, this.#startedAt);
    if (this.spec.lifecycle.deleteOnExit) this.#owner.deleteOnExit(this);
  }

  #finish(state: ContainerState, result: ExitResult): void {
    this.#run.abort();
    void this.#ports?.close();
    this.#ports = undefined;
    this.#health = undefined;
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
    this.#owner.report({ time: new Date(), container: { ...this.id, instance: this.instance }, ...event });
  }

  #processes(): FakeProcess[] {
    return [...(this.#main ? [this.#main] : []), ...this.#execs];
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

/** Does something later, unless the signal is aborted first. */
function after(milliseconds: number, signal: AbortSignal, work: () => void): void {
  const timer = setTimeout(work, milliseconds);
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
