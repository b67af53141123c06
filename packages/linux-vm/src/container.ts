import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { JsonFileLog, type JsonRecord, type Ownership, PortPublisher } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import {
  abortable,
  type Cancellable,
  ConflictError,
  type ContainerDetails,
  type ContainerId,
  type ContainerState,
  type ContainerSummary,
  type ExitResult,
  formatContainerId,
  type HealthStatus,
  isActive,
  type LogChunk,
  type LogOptions,
  NotFoundError,
  type OutputChunk,
  type PublishedPort,
  type RuntimeEvent,
  restartDelay,
  type ServiceSpec,
  type StartReport,
  signalNumber,
  type TerminalSize,
  UnavailableError,
  type WaitCondition,
  type ZlayerError,
} from '@zlayer/runtime-core';
import type { ContainerHandle } from './container-handle.ts';
import { readContainerLog } from './container-log.ts';
import { type ContainerRecord, containerRecord } from './container-record.ts';
import { type Guest, WORKLOAD } from './guest.ts';
import { watchHealth } from './health-check.ts';
import { IdleTime } from './idle-time.ts';
import { type ContainerMeans, givenUp, launchContainer } from './launch-container.ts';
import { OutputChannel } from './output-channel.ts';
import { Serial } from './serial.ts';
import { releaseVolumes, type Storage } from './storage.ts';
import type { Workload } from './workload.ts';

/** How long a guest may take to carry out SIGKILL before its machine is turned off. */
const KILL_TIMEOUT_MS = 5000;
/** A run that lasted this long was a good one: the pauses before restarts begin anew. */
const GOOD_RUN_MS = 10_000;

const SIGKILL = signalNumber('SIGKILL');

type WithoutSource<T> = T extends unknown ? Omit<T, 'time' | 'container'> : never;
/** An event of one container; the runtime adds whose and when. */
export type ContainerEvent = WithoutSource<RuntimeEvent>;

/** The runtime that a container belongs to. */
export interface ContainerOwner {
  means: ContainerMeans;
  /** Whether the machine of another container, by its directory, runs. */
  isRunning(directory: string): Promise<boolean>;
  /** Told what happens to the container, as it happens. */
  onEvent(container: Container, event: ContainerEvent): void;
}

/** A run of the workload, with all that is held for it. */
export interface Run {
  guest: Guest;
  workload: Workload;
  volumes: Storage['volumes'];
}

/**
 * One container of this process: its state, its files, and the machine it runs in. Changes of its state happen one
 * after the other; every end of the workload, however it comes, goes through one place (`#ended`).
 */
export class Container implements ContainerHandle {
  readonly directory: string;
  readonly #owner: ContainerOwner;
  readonly #file: JsonRecord<ContainerRecord>;
  readonly #ownership: Ownership;
  readonly #image: StoredImage | undefined;
  readonly #changes = new Serial();
  readonly #writes = new Serial();
  readonly #attached = new Set<OutputChannel>();
  readonly #starts = new Set<AbortController>();
  readonly #removed: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  #record: ContainerRecord;
  #run: Run | undefined;
  #publisher: PortPublisher | undefined;
  #idle: IdleTime | undefined;
  /** Aborted when the run ends. */
  #duties = new AbortController();
  #unpaused: PromiseWithResolvers<void> = Promise.withResolvers();
  /** How the present run ends, or the last one ended. */
  #end: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  /** How the run ends that ends next. */
  #nextEnd: PromiseWithResolvers<ExitResult> = Promise.withResolvers();
  /** The workload has ended, and its end is being put on record. */
  #runIsOver: Promise<void> = Promise.resolve();
  #isRemoved = false;
  #isLeft = false;
  /** Signals that the workload gets when its machine goes on. */
  readonly #whilePaused: number[] = [];
  #health: HealthStatus | undefined;
  #hasReportedOom = false;
  #restartTimer: NodeJS.Timeout | undefined;

  constructor(
    owner: ContainerOwner,
    {
      directory,
      ownership,
      record,
      image,
    }: { directory: string; ownership: Ownership; record: ContainerRecord; image?: StoredImage | undefined },
  ) {
    this.#owner = owner;
    this.directory = directory;
    this.#ownership = ownership;
    this.#record = record;
    this.#image = image;
    this.#file = containerRecord(directory);
    if (record.exit !== undefined && !isActive(record.state.status)) this.#end.resolve(record.exit);
  }

  /** Puts a new container on record. */
  async begin(): Promise<void> {
    // The log is there from the beginning, so that it can be read and followed at any time.
    await (await JsonFileLog.open(this.logFile)).close();
    await this.#file.write(this.#record);
    this.#report({ type: 'created' });
  }

  get id(): ContainerId {
    return this.#record.id;
  }

  get instance(): string {
    return this.#record.instance;
  }

  get spec(): ServiceSpec {
    return this.#record.spec;
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get summary(): ContainerSummary {
    return summaryOf(this.#record);
  }

  get details(): ContainerDetails {
    return { ...detailsOf(this.#record, this.directory), health: this.#health };
  }

  get state(): ContainerState {
    return this.#record.state;
  }

  get imageDigest(): string {
    return this.#record.image.digest;
  }

  get ports(): readonly PublishedPort[] {
    return this.#run === undefined ? [] : this.#record.ports;
  }

  get logFile(): string {
    return join(this.directory, 'container.log');
  }

  get consoleFile(): string {
    return join(this.directory, 'console.log');
  }

  get isActive(): boolean {
    return isActive(this.state.status);
  }

  async guest(): Promise<[Guest, () => void]> {
    if (this.state.status !== 'running' || this.#run === undefined) throw this.#conflict(this.#whyNot);
    return [this.#run.guest, this.#use()];
  }

  start({ signal }: Cancellable): Promise<StartReport> {
    const giveUp = new AbortController();
    this.#starts.add(giveUp);
    return this.#changes.run(async () => {
      try {
        this.#exists();
        signal?.throwIfAborted();
        if (this.isActive) throw this.#conflict('is running already');
        giveUp.signal.throwIfAborted();
        this.#forgetRestart();
        this.#record = { ...this.#record, restarts: 0, failedRuns: 0, stopped: false };
        return await this.#launch(signal ? AbortSignal.any([signal, giveUp.signal]) : giveUp.signal);
      } finally {
        this.#starts.delete(giveUp);
      }
    });
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#giveUpStarts();
    await this.#changes.run(async () => {
      this.#forgetRestart();
      if (!this.#isRemoved && !this.#record.stopped) await this.#save({ stopped: true }).catch(() => {});
      await this.#stop(timeoutMs);
    });
  }

  pause(): Promise<void> {
    return this.#changes.run(async () => {
      this.#exists();
      const run = this.#run;
      if (!run || this.state.status !== 'running') throw this.#conflict('is not running');
      await run.guest.machine.vm.pause();
      this.#unpaused = Promise.withResolvers();
      await this.#enter({ status: 'paused' });
    });
  }

  unpause(): Promise<void> {
    return this.#changes.run(async () => {
      this.#exists();
      const run = this.#run;
      if (!run || this.state.status !== 'paused') throw this.#conflict('is not paused');
      await this.#resume(run);
      await this.#enter({ status: 'running' });
      for (const signum of this.#whilePaused.splice(0)) await run.guest.signal(signum);
    });
  }

  async kill(signal: string | number): Promise<void> {
    const signum = signalNumber(signal);
    const run = this.#run;
    if (!run) throw this.#conflict('is not running');
    if (this.state.status === 'paused' && signum !== SIGKILL) {
      this.#whilePaused.push(signum);
      return;
    }
    if (this.state.status === 'paused') await this.#resume(run);
    await run.guest.signal(signum);
  }

  async remove(force: boolean): Promise<void> {
    if (force) this.#giveUpStarts();
    await this.#changes.run(async () => {
      if (this.#isRemoved) return;
      if (this.isActive && !force) throw this.#conflict('is running', 'Stop it first, or force its removal.');
      this.#forgetRestart();
      await this.#stop(0);
      await this.#writes.run(async () => {});
      await rm(this.directory, { recursive: true, force: true });
      this.#isRemoved = true;
      await this.#ownership.release().catch(() => {});
      const never = { reason: 'runtime-error', exitCode: undefined, message: 'the container was removed' } as const;
      this.#end.resolve(never);
      this.#nextEnd.resolve(never);
      for (const channel of this.#attached) channel.end();
      this.#report({ type: 'removed' });
      this.#removed.resolve(this.#record.exit ?? never);
    });
  }

  async wait({ condition = 'not-running', signal }: { condition?: WaitCondition | undefined } & Cancellable) {
    const ends = { 'not-running': this.#end, 'next-exit': this.#nextEnd, removed: this.#removed };
    return await abortable(ends[condition].promise, signal);
  }

  attach({ signal }: Cancellable): AsyncIterable<OutputChunk> {
    const channel = new OutputChannel();
    if (signal?.aborted) channel.abort(signal.reason);
    else this.#attached.add(channel);
    signal?.addEventListener('abort', () => channel.abort(signal.reason), { once: true });
    void channel.drained.then(() => this.#attached.delete(channel));
    return channel;
  }

  logs(options: LogOptions): AsyncIterable<LogChunk> {
    return readContainerLog(this.logFile, this.#end.promise, options);
  }

  async writeStdin(data: Uint8Array, { signal }: Cancellable): Promise<void> {
    signal?.throwIfAborted();
    const stdin = this.#input();
    const done = this.#use();
    const write = (): Promise<void> =>
      new Promise((resolve, reject) => {
        stdin.write(data, (cause) => {
          if (!cause) resolve();
          else reject(this.#conflict('has closed its standard input', undefined, cause));
        });
        // A process that ends leaves what it did not read.
        stdin.once('close', () => reject(this.#conflict('has closed its standard input')));
      });
    try {
      await abortable(write(), signal);
    } finally {
      done();
    }
  }

  async closeStdin(): Promise<void> {
    if (!this.#run) throw this.#conflict('is not running');
    const stdin = this.#run.workload.stdin;
    if (stdin === undefined || stdin.writableEnded || stdin.destroyed) return;
    await new Promise<void>((resolve) => {
      stdin.once('close', resolve).end(resolve);
    });
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.#run) throw this.#conflict('is not running');
    await this.#run.guest.resize(size);
  }

  /** Goes on with a container that another process has left. Called once, before anything else. */
  async adopt(run: Run, { isPaused }: { isPaused: boolean }): Promise<void> {
    this.#run = run;
    if (!isPaused) this.#unpaused.resolve();
    await this.#publishAgain();
    this.#watch(run);
    // Whoever asked it to end is gone, and the grace period with him.
    if (this.state.status === 'stopping') void this.stop(this.spec.stopGracePeriod).catch(() => {});
  }

  /** Resolves when an adopted container that stands still goes on. */
  get unpaused(): Promise<void> {
    return this.#unpaused.promise;
  }

  /** Takes what an adopted workload writes. */
  get onOutput(): (chunk: OutputChunk) => Promise<void> {
    return (chunk) => this.#output(chunk);
  }

  /** Records the end of a run that nobody has seen. */
  async endUnseen(message: string, isAsked: boolean): Promise<void> {
    await this.#changes.run(() => this.#finish({ reason: 'runtime-error', exitCode: undefined, message }, isAsked));
  }

  /** Starts it if its restart policy wants it to run, and nobody was there to see to that. */
  restartAfterRecovery(): void {
    const isOver = this.state.status === 'exited' || this.state.status === 'failed';
    if (!isOver || this.#restartTimer !== undefined) return;
    const { policy } = this.spec.lifecycle.restart;
    const { stopped, exit } = this.#record;
    if (policy === 'always' || (policy === 'unless-stopped' && !stopped)) this.#announceRestart(0);
    else if (policy === 'on-failure' && !stopped && exit !== undefined) this.#planRestart(exit);
  }

  /** Gives the container up: what is kept runs on, everything else ends. */
  async release(): Promise<void> {
    this.#giveUpStarts();
    await this.#changes.run(async () => {
      if (this.#isRemoved || this.#isLeft) return;
      this.#isLeft = true;
      this.#forgetRestart();
      const run = this.#run;
      if (run && this.spec.lifecycle.onOwnerExit === 'keep' && this.state.status !== 'stopping') {
        await this.#endDuties();
        await run.workload.leave();
        releaseVolumes(run);
        this.#run = undefined;
      } else await this.#stop(0);
      for (const channel of this.#attached) channel.end();
      const closed = new UnavailableError(`the runtime that had the container ${this.#name} was closed`, {
        subject: this.#name,
        remedy: 'Wait for it with another runtime.',
      });
      for (const end of [this.#end, this.#nextEnd, this.#removed]) {
        // Nobody may be waiting.
        end.promise.catch(() => {});
        end.reject(closed);
      }
      await this.#writes.run(async () => {});
      await this.#ownership.release().catch(() => {});
    });
  }

  /** Sets the guest's clock, if it runs. */
  syncClock(): void {
    if (this.state.status !== 'running') return;
    this.#run?.guest.machine.agent.setClock(Date.now() * 1000, { timeoutMs: 5000 }).catch(() => {});
  }

  async #launch(signal: AbortSignal): Promise<StartReport> {
    if (this.state.status !== 'pending') this.#end = Promise.withResolvers();
    this.#record = {
      ...this.#record,
      ...{ exit: undefined, endedAt: undefined, startedAt: undefined, ports: [] },
      run: String(Number(this.#record.run || 0) + 1),
    };
    this.#setState({ status: 'initializing' });
    this.#hasReportedOom = false;
    try {
      await this.#save({});
      // Bound before anything is started: a port that is taken costs nothing then.
      this.#publisher = await this.#publish(this.spec.ports, signal);
      const { report, ...run } = await launchContainer({
        means: this.#owner.means,
        record: this.#record,
        image: this.#image,
        directory: this.directory,
        logFile: this.logFile,
        consoleFile: this.consoleFile,
        onOutput: (chunk) => this.#output(chunk),
        isRunning: (directory) => this.#owner.isRunning(directory),
        signal,
      });
      this.#run = run;
      this.#unpaused.resolve();
      this.#record = { ...this.#record, startedAt: new Date(), ports: [...this.#publisher.ports] };
      await this.#enter({ status: 'running' });
      this.#watch(run);
      return report;
    } catch (error) {
      await this.#finish({ reason: 'runtime-error', exitCode: undefined, message: (error as Error).message }, true);
      throw error;
    }
  }

  /** What goes on beside a run. */
  #watch(run: Run): void {
    this.#duties = new AbortController();
    const { signal } = this.#duties;
    const { healthCheck, lifecycle } = this.spec;
    const { maxLifetime, idleTimeout } = lifecycle;
    const stop = (): void => void this.stop(this.spec.stopGracePeriod).catch(() => {});
    this.#runIsOver = run.workload.ended.then((result) => this.#ended(run, result));
    this.#watchMemory(run, signal);
    if (healthCheck) {
      this.#setHealth('starting');
      void watchHealth(healthCheck, {
        guest: run.guest,
        isRunning: () => this.state.status === 'running',
        report: (status) => this.#setHealth(status),
        signal,
      });
    }
    if (maxLifetime !== undefined) {
      const ran = Date.now() - (this.#record.startedAt?.getTime() ?? Date.now());
      const timer = setTimeout(stop, Math.max(0, maxLifetime - ran));
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    }
    if (idleTimeout !== undefined) this.#idle = new IdleTime(idleTimeout, stop);
  }

  /** Kills for want of memory, also of processes that the workload survives. */
  #watchMemory({ guest }: Run, signal: AbortSignal): void {
    const watch = async (): Promise<void> => {
      await this.#unpaused.promise;
      for await (const event of await guest.machine.agent.watch({ signal })) {
        if (event.type === 'OomKilled' && !signal.aborted) this.#reportOom();
      }
    };
    void watch().catch(() => {});
  }

  #reportOom(): void {
    this.#hasReportedOom = true;
    this.#report({ type: 'oom' });
  }

  async #ended(run: Run, result: ExitResult): Promise<void> {
    if (this.#run !== run) return;
    const isAsked = this.state.status === 'stopping';
    releaseVolumes(run);
    if (result.reason === 'oom-killed' && !this.#hasReportedOom) this.#reportOom();
    await this.#finish(result, isAsked);
  }

  /** Puts the end of a run on record, tells it, and plans what comes next. */
  async #finish(result: ExitResult, isAsked: boolean): Promise<void> {
    this.#run = undefined;
    this.#whilePaused.length = 0;
    await this.#endDuties();
    this.#record = { ...this.#record, exit: result, endedAt: new Date(), ports: [] };
    await this.#enter(
      result.reason === 'runtime-error'
        ? { status: 'failed', reason: result.message }
        : { status: 'exited', exitCode: result.exitCode },
    );
    for (const channel of this.#attached) channel.end();
    this.#attached.clear();
    this.#report({ type: 'exited', result });
    this.#end.resolve(result);
    this.#nextEnd.resolve(result);
    this.#nextEnd = Promise.withResolvers();
    if (!isAsked && !this.#isLeft && !this.#isRemoved) this.#planRestart(result);
  }

  async #endDuties(): Promise<void> {
    this.#duties.abort();
    this.#idle?.[Symbol.dispose]();
    this.#idle = undefined;
    this.#health = undefined;
    const publisher = this.#publisher;
    this.#publisher = undefined;
    await publisher?.close();
  }

  #planRestart(result: ExitResult): void {
    const { startedAt, failedRuns } = this.#record;
    const ranMs = startedAt === undefined ? 0 : Date.now() - startedAt.getTime();
    const delayMs = restartDelay(this.spec.lifecycle.restart, { result, ranMs, restarts: failedRuns });
    if (delayMs === undefined) return;
    this.#record = { ...this.#record, failedRuns: ranMs >= GOOD_RUN_MS ? 0 : failedRuns };
    this.#announceRestart(delayMs);
  }

  #announceRestart(delayMs: number): void {
    const { restarts, failedRuns } = this.#record;
    this.#record = { ...this.#record, restarts: restarts + 1, failedRuns: failedRuns + 1 };
    this.#report({ type: 'restarting', attempt: this.#record.restarts, delayMs });
    const timer = setTimeout(() => void this.#changes.run(() => this.#restart(timer)), delayMs);
    this.#restartTimer = timer;
  }

  async #restart(timer: NodeJS.Timeout): Promise<void> {
    // A stop, a start or a removal came in between.
    if (this.#restartTimer !== timer || this.#isRemoved || this.#isLeft || this.isActive) return;
    this.#forgetRestart();
    const giveUp = new AbortController();
    this.#starts.add(giveUp);
    try {
      await this.#launch(giveUp.signal);
    } catch (error) {
      const { message } = error as Error;
      if (!giveUp.signal.aborted) this.#planRestart({ reason: 'runtime-error', exitCode: undefined, message });
    } finally {
      this.#starts.delete(giveUp);
    }
  }

  #forgetRestart(): void {
    clearTimeout(this.#restartTimer);
    this.#restartTimer = undefined;
  }

  #setHealth(status: HealthStatus): void {
    this.#health = status;
    this.#report({ type: 'health', status });
  }

  #publish(mappings: Parameters<typeof PortPublisher.publish>[0], signal?: AbortSignal): Promise<PortPublisher> {
    const target = (): Guest => {
      if (this.#run === undefined || this.state.status !== 'running') throw this.#conflict(this.#whyNot);
      return this.#run.guest;
    };
    return PortPublisher.publish(
      mappings,
      {
        stream: async (port, options): Promise<Duplex> => {
          const stream = await target().connect(port, options);
          const done = this.#use();
          return stream.once('close', done);
        },
        datagrams: async (port, options) => {
          const channel = await target().datagrams(port, options);
          const done = this.#use();
          return {
            ...channel,
            close: () => {
              done();
              channel.close();
            },
          };
        },
      },
      { signal },
    );
  }

  /** The ports that an adopted container had. One that is taken by now is lost, and said so. */
  async #publishAgain(): Promise<void> {
    try {
      this.#publisher = await this.#publish(this.#record.ports);
    } catch (error) {
      process.emitWarning(`${this.#name} runs on without its ports: ${(error as Error).message}`, 'ZlayerWarning');
      this.#record = { ...this.#record, ports: [] };
    }
    await this.#save({}).catch(() => {});
  }

  #input() {
    if (!this.#run) throw this.#conflict('is not running');
    const { stdin } = this.#run.workload;
    if (stdin === undefined || stdin.writableEnded || stdin.destroyed) {
      throw this.#conflict('has no open standard input');
    }
    return stdin;
  }

  /** Somebody uses the container until the result is called. */
  #use(): () => void {
    return this.#idle?.use() ?? (() => {});
  }

  async #output(chunk: OutputChunk): Promise<void> {
    await Promise.all([...this.#attached].map((channel) => channel.push(chunk)));
  }

  async #resume({ guest: { machine } }: Run): Promise<void> {
    await machine.vm.resume();
    this.#unpaused.resolve();
    // It stood still, and its clock with it.
    await machine.agent.setClock(Date.now() * 1000).catch(() => {});
  }

  /** Ends the workload, if there is one. Only to be called from within a change of state. */
  async #stop(timeoutMs: number): Promise<void> {
    const run = this.#run;
    if (!run) return this.#runIsOver;
    // A guest that stands still can carry out nothing.
    if (this.state.status === 'paused') await this.#resume(run);
    await this.#enter({ status: 'stopping' });
    if (timeoutMs > 0 && (await this.#endedBy(run, this.#record.process.stopSignal, timeoutMs))) return;
    // What is left to read is little now, and a reader that has stopped reading must not hold up the end.
    for (const channel of this.#attached) channel.release();
    run.workload.hurry();
    if (await this.#endedBy(run, SIGKILL, KILL_TIMEOUT_MS)) return;
    await run.guest.machine.vm.kill();
    await this.#runIsOver;
  }

  /**
   * Whether a signal ends the workload in time. Then its machine has been turned off as well, however long that took.
   */
  async #endedBy({ guest, workload }: Run, signum: number, timeoutMs: number): Promise<boolean> {
    const timeout = Promise.withResolvers<false>();
    const timer = setTimeout(() => timeout.resolve(false), timeoutMs);
    // A machine that takes no signal any more is about to end, or will be ended.
    guest.machine.agent.signal(WORKLOAD, signum, 'process', { timeoutMs }).catch(() => {});
    try {
      if (!(await Promise.race([workload.exited.then(() => true), timeout.promise]))) return false;
    } finally {
      clearTimeout(timer);
    }
    await this.#runIsOver;
    return true;
  }

  /** A start that is under way is given up by what would end its container anyway. */
  #giveUpStarts(): void {
    for (const start of this.#starts) start.abort(givenUp(this.#name));
  }

  /** The state is a fact, whether or not the disk has room to record it. */
  async #enter(state: ContainerState): Promise<void> {
    this.#setState(state);
    await this.#save({}).catch(() => {});
  }

  #setState(state: ContainerState): void {
    this.#record = { ...this.#record, state };
    this.#report({ type: 'state', state });
  }

  async #save(change: Partial<ContainerRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    // One after the other, each with the state of its moment: an older one never replaces a newer one.
    await this.#writes.run(() => this.#file.write(this.#record));
  }

  #report(event: ContainerEvent): void {
    this.#owner.onEvent(this, event);
  }

  get #name(): string {
    return formatContainerId(this.id);
  }

  get #whyNot(): string {
    return this.state.status === 'paused' ? 'is paused' : 'is not running';
  }

  #exists(): void {
    if (this.#isRemoved) throw new NotFoundError(`container ${this.#name} was removed`, { subject: this.#name });
  }

  #conflict(what: string, remedy?: string, cause?: unknown): ZlayerError {
    return new ConflictError(`container ${this.#name} ${what}`, { subject: this.#name, remedy, cause });
  }
}

/** A container as a list shows it, from its record. */
export function summaryOf({ id, instance, image, state }: ContainerRecord): ContainerSummary {
  return { id, instance, image: image.reference, state };
}

/** Everything that a record says about its container. */
export function detailsOf(record: ContainerRecord, directory: string): ContainerDetails {
  const { spec, image, platform, createdAt, startedAt, endedAt, exit, restarts } = record;
  return {
    ...summaryOf(record),
    ...{ spec, imageDigest: image.digest, platform, createdAt, startedAt, endedAt, exit, restarts, directory },
  };
}
