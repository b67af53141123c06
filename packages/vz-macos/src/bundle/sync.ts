import { open } from 'node:fs/promises';

/** Makes a file's content, or a rename in a directory, survive a power cut. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
