import type { InodeMetadata } from './layer-contents.ts';

/**
 * Takes the contents of files while layers are read, several layers at a time, before it is known where the files will
 * be, or whether a later layer hides them.
 */
export interface ContentSink {
  /** Begins a file of at least one byte. */
  begin(size: number, metadata: InodeMetadata): ContentWriter;
  /** Nothing refers to this content any more. */
  discard(content: number): void;
  /** How many layers may be read at a time. With 1, contents come in the same order each time. */
  readonly parallelLayers: number;
}

/** Calls are synchronous where they can be: they are short, and a layer has very many of them. */
export interface ContentWriter {
  /** The chunk may be changed as soon as this returns. A promise is to be waited for before more is written. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** @returns What the inode refers to its content by. The writer is closed, also if this throws. */
  end(): number;
  /** Gives up instead of the end; what was written is never used. */
  abort(): void;
}
