import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { TarInput } from './tar-writer.ts';

/**
 * The entries of a directory tree, sorted by name, parents before children; names relative to the directory.
 * Hard links are kept; devices, FIFOs and sockets are left out.
 */
export async function directoryEntries(directory: string): Promise<TarInput[]> {
  const entries: TarInput[] = [];
  const seen = new Map<string, string>();
  const visit = async (path: string): Promise<void> => {
    const full = join(directory, path);
    const found = await lstat(full);
    const common = {
      mode: found.mode & 0o7777,
      uid: found.uid,
      gid: found.gid,
      mtime: Math.floor(found.mtimeMs / 1000),
    };
    const key = `${found.dev}:${found.ino}`;
    const first = found.nlink > 1 && found.isFile() ? seen.get(key) : undefined;
    if (found.isDirectory()) {
      entries.push({ ...common, type: 'directory', path: path === '' ? './' : `${path}/` });
      for (const name of (await readdir(full)).sort()) await visit(path === '' ? name : `${path}/${name}`);
    } else if (found.isSymbolicLink()) {
      entries.push({ ...common, type: 'symlink', path, linkPath: await readlink(full) });
    } else if (first !== undefined) {
      entries.push({ ...common, type: 'hardlink', path, linkPath: first });
    } else if (found.isFile()) {
      seen.set(key, path);
      entries.push({ ...common, path, content: await readFile(full) });
    }
  };
  await visit('');
  return entries;
}
