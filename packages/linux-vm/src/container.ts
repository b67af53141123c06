import { rm } from 'node:fs/promises';
import { JsonFileLog, type JsonRecord, type Ownership } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import {
  type Cancellable,
  ConflictError,
  type ContainerDetails,
  type ContainerState,
  type ExitResult,
  type HealthStatus,
  type LogChunk,
  type LogOptions,
  NotFoundError,
  type OutputChunk,
  PendingStarts,
  RestartPlan,
  type RuntimeEvent,
  type StartReport,
  signalNumber,
  type TerminalSize,
  UnavailableError,
  type WaitOptions,
  type ZlayerError,
} from '@zlayer/runtime-core';
import { Attachments } from './attachments.ts';
import { ContainerEnds } from './container-ends.ts';
import type { ContainerHandle } from './container-handle.ts';
import { closeInput, writeInput } from './container-input.ts';
import { readContainerLog } from './container-log.ts';
import { type ContainerRecord, containerRecord } from './container-record.ts';
import { endWorkload } from './end-workload.ts';
import type { Guest } from './guest.ts';
import { type ContainerMeans, launchContainer } from './launch-container.ts';
import { type PublishedPorts, type PublishPortsOptions, publishPorts, publishWhatIsFree } from './publish-ports.ts';
import { RecordedContainer } from './recorded-container.ts';
import type { Run } from './run.ts';
import { RunDuties } from './run-duties.ts';
import { Serial } from './serial.ts';
import { releaseVolumes } from './storage.ts';

const SIGKILL = signalNumber('SIGKILL');

type WithoutSource<T> = T extends unknown ? Omit<T, 'time' | 'container'> : never;
/** An event of one container; the runtime adds whose and when. */
export type ContainerEvent = WithoutSource<RuntimeEvent>;

/** The runtime that a container belongs to. */
export interface ContainerOwner {
  means: ContainerMeans;
  /** Whether the machine of another container, by its directory, runs. */
  isRunning(directory: string): Promise<boolean>;
  /** Lets a container begin to run, unless too many do: `begin` puts on record that it does. */
  admit(container: Container, begin: () => Promise<void>, options: Cancellable): Promise<void>;
  /** Told what happens to the container, as it happens. */
  onEvent(container: Container, event: ContainerEvent): void;
}

/**
 * One container of this process: its state, its files, and the machine it runs in. Changes of its state happen one
 * after the other; every end of the workload, however it comes, goes through one place (`#ended`).
 */
export class Container extends RecordedContainer implements ContainerHandle {
  readonly #owner: ContainerOwner;
  readonly #file: JsonRecord<ContainerRecord>;
  readonly #ownership: Ownership;
  readonly #image: StoredImage | undefined;
  readonly #changes = new Serial();
  readonly #writes = new Serial();
  readonly #attachments = new Attachments();
  readonly #ends = new ContainerEnds();
  readonly #starts = new PendingStarts();
  readonly #restarts: RestartPlan;
  #record: ContainerRecord;
  #run: Run | undefined;
  #duties: RunDuties | undefined;
  #publisher: PublishedPorts | undefined;
  #unpaused: PromiseWithResolvers<void> = Promise.withResolvers();
  /** The workload has ended, and its end is being put on record. */
  #runIsOver: Promise<void> = Promise.resolve();
  #isRemoved = false;
  #isLeft = false;
  /** Signals that the workload gets when its machine goes on. */
  readonly #whilePaused: number[] = [];
  #health: HealthStatus | undefined;
  #hasReportedOom = false;

  constructor(
    owner: ContainerOwner,
    {
      directory,
      ownership,
      record,
      image,
    }: { directory: string; ownership: Ownership; record: ContainerRecord; image?: StoredImage | undefined },
  ) {
    super(directory);
    this.#owner = owner;
    this.#ownership = ownership;
    this.#record = record;
    this.#image = image;
    this.#file = containerRecord(directory);
    this.#restarts = new RestartPlan({
      rule: record.spec.lifecycle.restart,
      counts: record,
      starts: this.#starts,
      inTurn: (task) => this.#changes.run(task),
      announce: (attempt, delayMs) => {
        this.#record = { ...this.#record, ...this.#restarts.counts };
        this.#report({ type: 'restarting', attempt, delayMs });
      },
      launch: (signal) => this.#launch(signal),
    });
    if (record.exit !== undefined && !this.isActive) this.#ends.runEnded(record.exit);
  }

  /** Puts a new container on record. */
  async begin(): Promise<void> {
    // The log is there from the beginning, so that it can be read and followed at any time.
    await (await JsonFileLog.open(this.logFile)).close();
    await this.#file.write(this.#record);
    this.#report({ type: 'created' });
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  override get details(): ContainerDetails {
    return { ...super.details, health: this.#health };
  }

  async guest(): Promise<[Guest, () => void]> {
    if (this.state.status !== 'running' || this.#run === undefined) throw this.#conflict(this.whyNotRunning);
    return [this.#run.guest, this.#use()];
  }

  start({ signal: callers }: Cancellable): Promise<StartReport> {
    const start = async (signal: AbortSignal): Promise<StartReport> => {
      this.#exists();
      callers?.throwIfAborted();
      if (this.isActive) throw this.#conflict('is running already');
      signal.throwIfAborted();
      this.#restarts.reset();
      this.#record = { ...this.#record, ...this.#restarts.counts, stopped: false };
      return await this.#launch(signal);
    };
    return this.#starts.run((signal) => this.#changes.run(() => start(signal)), callers);
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#starts.giveUp(this.name);
    await this.#changes.run(async () => {
      this.#restarts.forget();
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
    if (force) this.#starts.giveUp(this.name);
    await this.#changes.run(async () => {
      if (this.#isRemoved) return;
      if (this.isActive && !force) throw this.#conflict('is running', 'Stop it first, or force its removal.');
      this.#restarts.forget();
      await this.#stop(0);
      await this.#writes.run(async () => {});
      await rm(this.directory, { recursive: true, force: true });
      this.#isRemoved = true;
      await this.#ownership.release().catch(() => {});
      this.#attachments.end();
      this.#report({ type: 'removed' });
      this.#ends.removed(this.#record.exit);
    });
  }

  wait(options: WaitOptions): Promise<ExitResult> {
    return this.#ends.wait(options);
  }

  attach(options: Cancellable): AsyncIterable<OutputChunk> {
    return this.#attachments.open(options);
  }

  logs(options: LogOptions): AsyncIterable<LogChunk> {
    return readContainerLog(this.logFile, this.#ends.present, options);
  }

  async writeStdin(data: Uint8Array, { signal }: Cancellable): Promise<void> {
    signal?.throwIfAborted();
    if (!this.#run) throw this.#conflict('is not running');
    const done = this.#use();
    try {
      await writeInput(this.#run.workload.stdin, data, { signal, refuse: this.#conflict.bind(this) });
    } finally {
      done();
    }
  }

  async closeStdin(): Promise<void> {
    if (!this.#run) throw this.#conflict('is not running');
    await closeInput(this.#run.workload.stdin);
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
    return (chunk) => this.#attachments.push(chunk);
  }

  /** Records the end of a run that nobody has seen. */
  async endUnseen(message: string, isAsked: boolean): Promise<void> {
    await this.#changes.run(() => this.#finish({ reason: 'runtime-error', exitCode: undefined, message }, isAsked));
  }

  /** Starts it if its restart policy wants it to run, and nobody was there to see to that. */
  restartAfterRecovery(): void {
    const isOver = this.state.status === 'exited' || this.state.status === 'failed';
    if (isOver) this.#restarts.endedUnattended(this.#record);
  }

  /** Gives the container up: what is kept runs on, everything else ends. */
  async release(): Promise<void> {
    this.#starts.giveUp(this.name);
    await this.#changes.run(async () => {
      if (this.#isRemoved || this.#isLeft) return;
      this.#isLeft = true;
      this.#restarts.forget();
      const run = this.#run;
      if (run && this.spec.lifecycle.onOwnerExit === 'keep' && this.state.status !== 'stopping') {
        await this.#endDuties();
        await run.workload.leave();
        releaseVolumes(run);
        this.#run = undefined;
      } else await this.#stop(0);
      this.#attachments.end();
      const closed = new UnavailableError(`the runtime that had the container ${this.name} was closed`, {
        subject: this.name,
        remedy: 'Wait for it with another runtime.',
      });
      this.#ends.fail(closed);
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
    try {
      await this.#owner.admit(this, () => this.#begin(), { signal });
      // Bound before anything is started: a port that is taken costs nothing then.
      this.#publisher = await publishPorts({ ...this.#published, ports: this.spec.ports, signal });
      const { report, ...run } = await launchContainer({
        means: this.#owner.means,
        record: this.#record,
        image: this.#image,
        directory: this.directory,
        logFile: this.logFile,
        consoleFile: this.consoleFile,
        onOutput: this.onOutput,
        isRunning: (directory) => this.#owner.isRunning(directory),
        signal,
      });
      this.#run = run;
      this.#unpaused.resolve();
      this.#record = { ...this.#record, startedAt: new Date(), ports: [...this.#publisher.ports] };
      await this.#enter({ status: 'running' });
      for (const { message } of report.warnings) this.#report({ type: 'warning', message });
      this.#watch(run);
      return report;
    } catch (error) {
      // What has not begun has not ended either.
      if (this.isActive) {
        await this.#finish({ reason: 'runtime-error', exitCode: undefined, message: (error as Error).message }, true);
      }
      throw error;
    }
  }

  /** Puts on record that a further run begins. */
  async #begin(): Promise<void> {
    if (this.state.status !== 'pending') this.#ends.again();
    this.#record = {
      ...this.#record,
      ...{ exit: undefined, endedAt: undefined, startedAt: undefined, ports: [] },
      run: String(Number(this.#record.run || 0) + 1),
    };
    this.#hasReportedOom = false;
    this.#setState({ status: 'initializing' });
    await this.#save({});
  }

  /** Takes care of a run from its beginning to its end. */
  #watch(run: Run): void {
    this.#runIsOver = run.workload.ended.then((result) => this.#ended(run, result));
    this.#duties = new RunDuties({
      ...{ spec: this.spec, guest: run.guest, startedAt: this.#record.startedAt, unpaused: this.unpaused },
      isRunning: () => this.state.status === 'running',
      onHealth: (status) => this.#setHealth(status),
      onOom: () => this.#reportOom(),
      stop: () => void this.stop(this.spec.stopGracePeriod).catch(() => {}),
    });
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
    this.#attachments.end();
    this.#report({ type: 'exited', result });
    this.#ends.runEnded(result);
    if (!isAsked && !this.#isLeft && !this.#isRemoved) this.#restarts.ended(result, this.#record.startedAt);
  }

  async #endDuties(): Promise<void> {
    this.#duties?.[Symbol.dispose]();
    this.#duties = undefined;
    this.#health = undefined;
    const publisher = this.#publisher;
    this.#publisher = undefined;
    await publisher?.close();
  }

  #setHealth(status: HealthStatus): void {
    this.#health = status;
    this.#report({ type: 'health', status });
  }

  /** What is published of it, and whereto it leads. */
  get #published(): PublishPortsOptions {
    const guest = (): Guest => {
      if (this.#run === undefined || this.state.status !== 'running') throw this.#conflict(this.whyNotRunning);
      return this.#run.guest;
    };
    const { ports } = this.#record;
    return { ports, sockets: this.spec.sockets, guest, use: () => this.#use() };
  }

  /** The ports that an adopted container had. One that is taken by now is lost, and said so. */
  async #publishAgain(): Promise<void> {
    this.#publisher = await publishWhatIsFree(this.#published, ({ message }) => {
      this.#report({ type: 'warning', message: `${this.name} runs on without a port that it had: ${message}` });
    });
    await this.#save({ ports: [...this.#publisher.ports] }).catch(() => {});
  }

  /** Somebody uses the container until the result is called. */
  #use(): () => void {
    return this.#duties?.use() ?? (() => {});
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
    await endWorkload(run, {
      ...{ stopSignal: this.#record.process.stopSignal, timeoutMs },
      // What is left to read is little now, and a reader that has stopped reading must not hold up the end.
      onHurry: () => this.#attachments.release(),
    });
    // Its machine has been turned off as well then, however long that took.
    await this.#runIsOver;
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

  #exists(): void {
    if (this.#isRemoved) throw new NotFoundError(`container ${this.name} was removed`, { subject: this.name });
  }

  #conflict(what: string, remedy?: string, cause?: unknown): ZlayerError {
    return new ConflictError(`container ${this.name} ${what}`, { subject: this.name, remedy, cause });
  }
}
