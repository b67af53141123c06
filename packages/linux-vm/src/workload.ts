import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type ExitResult, type OutputChunk, ZlayerError } from '@zlayer/runtime-core';
import { AgentError, type AgentProcess, type ProcessExit } from '@zlayer/vzagent-proto';
import { consoleTail } from './console-tail.ts';
import { exitResult } from './exit-result.ts';
import { type Guest, WORKLOAD } from './guest.ts';
import type { RunLog } from './run-log.ts';
import { SPOOL_BYTES } from './start-spec.ts';

/** A machine whose connection broke because it ended is known to have ended within this time. */
const EXIT_PATIENCE_MS = 2000;

/** How often, and how soon, a lost connection to a guest that lives is made anew. */
const ATTACH_DELAYS_MS = [0, 50, 200, 1000, 2000, 5000];

/** How long a guest may take to put its file systems in order. */
const SHUTDOWN_MS = 15_000;

export interface WorkloadOptions {
  guest: Guest;
  log: RunLog;
  consoleFile: string;
  /** Whether the guest writes to disks that are kept. */
  hasDisks: boolean;
  /** Whether input will be written. */
  stdin: boolean;
  /** Takes what comes, exactly; what it returns is awaited before more is read. */
  onOutput(chunk: OutputChunk): Promise<void>;
}

/** One run of a container's workload: its output, its input and its end. */
export class Workload {
  /** How it ended, when everything it wrote is in the log and its machine is off. Never rejects. */
  readonly ended: Promise<ExitResult>;
  /** Resolves earlier: it has ended, or is lost, and its machine may still put its disks in order. */
  readonly exited: Promise<void>;
  readonly #options: WorkloadOptions;
  /** Aborted when nobody shall wait for a log that takes nothing. */
  readonly #hurry = new AbortController();
  readonly #exit = Promise.withResolvers<void>();
  readonly #left = Promise.withResolvers<void>();
  readonly #leaving = Promise.withResolvers<never>();
  #process: AgentProcess | undefined;
  #hasLeft = false;

  private constructor(options: WorkloadOptions, source: () => Promise<AgentProcess | ProcessExit>) {
    this.#options = options;
    this.exited = this.#exit.promise;
    this.ended = this.#supervise(source);
  }

  /** The workload that was just started. */
  static started(process: AgentProcess, options: WorkloadOptions): Workload {
    return new Workload(options, async () => process);
  }

  /** Takes over a workload that runs or has ended, behind what its log has; one that stands still, when it goes on. */
  static adopted(resumed: Promise<void>, options: WorkloadOptions): Workload {
    return new Workload(options, async () => {
      await resumed;
      return await attach(options);
    });
  }

  /** `undefined` without input, and as long as an adopted workload stands still. */
  get stdin(): Writable | undefined {
    return this.#process?.stdin ?? undefined;
  }

  /** From here on the end is not held up by a log that takes nothing. */
  hurry(): void {
    this.#hurry.abort();
  }

  /** Lets the workload run on without this process. Resolves when the log is closed; `ended` never settles. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#hurry.abort();
    this.#leaving.reject(new Error('this process gave the workload up'));
    this.#process?.close();
    await this.#left.promise;
  }

  async #supervise(source: () => Promise<AgentProcess | ProcessExit>): Promise<ExitResult> {
    this.#leaving.promise.catch(() => {});
    const { guest, log, hasDisks } = this.#options;
    let result: ExitResult | undefined;
    try {
      result = exitResult(await Promise.race([this.#carry(source), this.#leaving.promise]));
    } catch (error) {
      if (!this.#hasLeft)
        result = { reason: 'runtime-error', exitCode: undefined, message: await this.#explain(error) };
    }
    await log.close().catch(() => {});
    // The end is in nobody's record yet: who adopts the workload will learn it from the guest.
    if (result === undefined || this.#hasLeft) {
      this.#left.resolve();
      return await new Promise<never>(() => {});
    }
    this.#process?.close();
    this.#exit.resolve();
    await turnOff(guest, hasDisks);
    return result;
  }

  /** Carries all output, over as many connections as it takes. */
  async #carry(source: () => Promise<AgentProcess | ProcessExit>): Promise<ProcessExit> {
    let from: AgentProcess | ProcessExit = await Promise.race([source(), this.#machineEnd()]);
    for (;;) {
      if ('code' in from) return from;
      this.#process = from;
      try {
        return await this.#drain(from);
      } catch (error) {
        const isLost = error instanceof AgentError && error.kind === 'lost';
        if (this.#hasLeft || !isLost || this.#isOff) throw error;
        from = await this.#again(error);
      }
    }
  }

  async #drain(process: AgentProcess): Promise<ProcessExit> {
    const { log, onOutput } = this.#options;
    for await (const piece of process.output) {
      const { stream, data } = piece;
      await Promise.all([log.write(piece, this.#hurry.signal), onOutput({ stream, data })]);
      process.taken(log.offset);
    }
    const exit = await process.exited;
    // The last line may have no end: only now is it known to be the last.
    await log.close();
    return exit;
  }

  async #again(lost: unknown): Promise<AgentProcess | ProcessExit> {
    for (const ms of ATTACH_DELAYS_MS) {
      await delay(ms);
      if (this.#hasLeft) throw lost;
      try {
        return await attach(this.#options);
      } catch (error) {
        if (this.#isOff) throw error;
      }
    }
    throw lost;
  }

  get #isOff(): boolean {
    return this.#options.guest.machine.vm.state === 'stopped';
  }

  async #machineEnd(): Promise<never> {
    const exit = await this.#options.guest.machine.vm.exited;
    throw new Error(exit.message);
  }

  /** When the machine itself ended, that and its last words say more than the connection that broke. */
  async #explain(error: unknown): Promise<string> {
    const { vm } = this.#options.guest.machine;
    const exit = await Promise.race([
      vm.exited.catch(() => undefined),
      delay(EXIT_PATIENCE_MS, undefined, { ref: false }),
    ]);
    if (!exit) return error instanceof Error ? error.message : String(error);
    const lastWords = await consoleTail(this.#options.consoleFile);
    const text = `the virtual machine ended while the workload ran: ${exit.message}`;
    return lastWords ? `${text}\nLast lines of its console:\n${lastWords}` : text;
  }
}

/** The workload's process again; how it ended, when that is all that the guest still has of it. */
async function attach({ guest, log, stdin }: WorkloadOptions): Promise<AgentProcess | ProcessExit> {
  const { agent } = guest.machine;
  const terms = { stdin, spoolBytes: SPOOL_BYTES, whenFull: 'block', acknowledge: 'explicit' } as const;
  const { offset } = log;
  try {
    const process = await agent.attach(WORKLOAD, { ...terms, offset });
    if (process.outputOffset <= offset) return process;
    process.close();
    throw new ZlayerError('INTERNAL', `the guest has no output before ${process.outputOffset} any more`);
  } catch (error) {
    if (!(error instanceof AgentError) || !['gone', 'notFound', 'conflict'].includes(error.kind)) throw error;
    return await agent.wait(WORKLOAD, { timeoutMs: EXIT_PATIENCE_MS });
  }
}

/** Ends a machine whose workload has ended; one with disks may put them in order first. */
export async function turnOff({ machine: { vm, agent } }: Guest, hasDisks: boolean): Promise<void> {
  if (hasDisks && vm.state === 'running') {
    const off = agent.shutdown(0, { timeoutMs: SHUTDOWN_MS }).then(() => vm.exited);
    const timeout = new AbortController();
    await Promise.race([off, delay(SHUTDOWN_MS, undefined, { signal: timeout.signal })]).catch(() => {});
    timeout.abort();
  }
  await vm.kill().catch(() => {});
}
