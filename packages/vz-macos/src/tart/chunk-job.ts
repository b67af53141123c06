import type { TartChunk } from './tart-manifest.ts';

/** A piece of a disk to be written. */
export interface ChunkJob {
  /** The path of the compressed piece. */
  blob: string;
  /** The path of the disk, which is as long as it has to be. */
  disk: string;
  chunk: TartChunk;
}

export type ChunkAnswer =
  | { type: 'written'; bytes: number }
  /** The piece is on the disk, verified and synced. */
  | { type: 'done' }
  | { type: 'failed'; error: unknown };
