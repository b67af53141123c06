import { setTimeout as delay } from 'node:timers/promises';
import { JsonFileLog } from '@zlayer/host';
import type { ProcessOutput } from '@zlayer/vzagent-proto';

const RETRY_MS = 1000;

/**
 * The log of one run. What it has on disk the guest may forget; a disk that takes nothing makes the workload wait, and
 * nothing is lost.
 */
export class RunLog {
  readonly #log: JsonFileLog;
  #last: number;

  private constructor(log: JsonFileLog, since: Date) {
    this.#log = log;
    this.#last = since.getTime();
  }

  static async open(path: string, run: string, since: Date): Promise<RunLog> {
    return new RunLog(await JsonFileLog.open(path, { run }), since);
  }

  /** Up to where the run's output is on disk. */
  get offset(): number {
    return this.#log.offset ?? 0;
  }

  /**
   * Records a piece of output. Resolves when it need not be kept elsewhere any more, but for an unfinished line. A disk
   * that is full is tried again until the signal is aborted.
   */
  async write({ stream, data, offset, unixMicros }: ProcessOutput, signal: AbortSignal): Promise<void> {
    const time = this.#timeOf(unixMicros);
    for (let isTaken = false; ; ) {
      try {
        if (isTaken) await this.#log.flush();
        else await this.#log.write(stream, data, { offset, time });
        return;
      } catch (error) {
        isTaken = true;
        if (signal.aborted) throw error;
        await delay(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  /** When the guest read it: true also for what waited there. A guest's clock is believed within reason. */
  #timeOf(unixMicros: number | null): Date {
    const now = Date.now();
    const told = unixMicros === null ? now : unixMicros / 1000;
    this.#last = Math.max(this.#last, Math.min(told, now));
    return new Date(this.#last);
  }
}
