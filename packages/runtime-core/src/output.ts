import type { Cancellable } from './cancellable.ts';

/** A piece of a process's output, exactly as the process wrote it. */
export interface OutputChunk {
  stream: 'stdout' | 'stderr';
  data: Uint8Array;
}

/** A piece of a container's log: a line with its newline, or a part of a long line. */
export interface LogChunk extends OutputChunk {
  /** When the runtime received it. */
  time: Date;
  /** Where the next chunk begins; a later `logsStream` can continue from it. Opaque, and valid as long as the instance. */
  cursor: string;
}

/** Which part of a log is read. */
export interface LogOptions extends Cancellable {
  /** Go on until the container has ended; one that was not started yet is waited for. Default: `false`. */
  follow?: boolean | undefined;
  /** Begin that many chunks before the end, counting only those that the other options let pass. Default: all. */
  tail?: number | undefined;
  /** Begin behind the chunk that had this cursor. */
  cursor?: string | undefined;
  /** Only what was received at or after this time. */
  since?: Date | undefined;
  /** Only what was received before this time. */
  until?: Date | undefined;
  /** Default: both `true`. */
  stdout?: boolean | undefined;
  stderr?: boolean | undefined;
}
