import type { LogMarker, LogStream } from './log-entry.ts';
import type { UnfinishedLine } from './unfinished-line.ts';

/**
 * Which of a run's output has been taken. Both streams share one count of bytes, and a line may wait for its end while
 * the other stream goes on: what is taken has no gaps within a stream, but the streams may be at different offsets.
 */
export class OutputCoverage {
  readonly #run: string;
  readonly #received: Record<LogStream, number>;

  constructor(marker: LogMarker) {
    this.#run = marker.run;
    const { offset, ahead } = marker;
    this.#received = { stdout: ahead.stdout ?? offset, stderr: ahead.stderr ?? offset };
  }

  /** How many of the first bytes of a chunk have been taken before. */
  known(stream: LogStream, chunk: Uint8Array, offset: number): number {
    return Math.min(Math.max(this.#received[stream] - offset, 0), chunk.length);
  }

  /** All output of a stream before an offset is taken. */
  take(stream: LogStream, end: number): void {
    this.#received[stream] = Math.max(this.#received[stream], end);
  }

  /** What is in the log if everything is but what the lines hold. */
  marker(lines: Readonly<Record<LogStream, UnfinishedLine>>): LogMarker {
    const covered = {
      stdout: lines.stdout.offset ?? this.#received.stdout,
      stderr: lines.stderr.offset ?? this.#received.stderr,
    };
    // A stream that holds nothing is covered up to wherever the output has got; one that does, only up to there.
    const held = [lines.stdout.offset, lines.stderr.offset].filter((offset) => offset !== undefined);
    const offset = held.length > 0 ? Math.min(...held) : Math.max(covered.stdout, covered.stderr);
    const ahead: LogMarker['ahead'] = {};
    for (const stream of ['stdout', 'stderr'] as const) if (covered[stream] > offset) ahead[stream] = covered[stream];
    return { run: this.#run, offset, ahead };
  }
}
