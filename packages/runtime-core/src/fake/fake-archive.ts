import { buffer } from 'node:stream/consumers';
import { readTar, type TarEntry, writeTar } from '../conformance/tar.ts';
import { ConflictError, InvalidSpecError, NotFoundError, ZlayerError } from '../errors.ts';
import type { FileStatus } from '../runtime.ts';
import type { FakeFiles } from './fake-files.ts';
import { FakeFileError, type FakeFileStatus } from './fake-volume.ts';

/** Most bytes of an archive that is put into a container: it is held in memory. */
const MAX_ARCHIVE = 256 * 1024 ** 2;
const TYPE_BITS = { file: 0o100000, directory: 0o040000, link: 0o120000 } as const;

/** What is at a path. */
export function headOf(files: FakeFiles, path: string): FileStatus {
  const { type, mode, size, modifiedAt, linkTarget } = statusOf(files, path);
  return { name: lastPartOf(path), size, mode: TYPE_BITS[type] | mode, modifiedAt, linkTarget };
}

/** A tar archive of what is at a path, its names beginning with the last part of the path. */
export function archiveOf(files: FakeFiles, path: string): Buffer {
  statusOf(files, path);
  return writeTar(entriesOf(files, path, lastPartOf(path) || '.'));
}

/** Unpacks an archive into a directory, all of it or, when an entry is not allowed, nothing. */
export async function unpackInto(files: FakeFiles, path: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  checkAbsolute(path);
  statusOf(files, path);
  if (!files.isDirectory(path)) {
    throw new ConflictError(`${path} of the container is no directory`, { subject: path });
  }
  const entries = readEntries(await buffer(limited(archive)), path);
  for (const entry of entries) {
    try {
      unpack(files, path, entry);
    } catch (error) {
      if (!(error instanceof FakeFileError)) throw error;
      throw new ConflictError(`${entry.name} could not be written below ${path}: ${error.code}`, {
        subject: path,
        cause: error,
      });
    }
  }
}

function readEntries(bytes: Uint8Array, path: string): TarEntry[] {
  let entries: TarEntry[];
  try {
    entries = readTar(bytes);
  } catch (cause) {
    throw new InvalidSpecError(`what is to be unpacked into ${path} is no tar archive`, { subject: path, cause });
  }
  const outside = entries.find(({ name }) => name.split('/').includes('..'));
  if (outside === undefined) return entries;
  throw new InvalidSpecError(`the archive has the entry ${JSON.stringify(outside.name)}, which leads out of ${path}`, {
    subject: outside.name,
  });
}

function unpack(files: FakeFiles, path: string, { name, type, mode, data, linkTarget = '' }: TarEntry): void {
  const place = `${path}/${name.replace(/^\/+/, '')}`;
  if (type === 'directory') files.makeDirectory(place, mode);
  else if (type === 'link') files.link(place, linkTarget);
  else {
    files.makeDirectory(place.slice(0, place.lastIndexOf('/')));
    files.write(place, data, { mode });
  }
}

function entriesOf(files: FakeFiles, path: string, name: string): Parameters<typeof writeTar>[0][number][] {
  const { type, mode, modifiedAt, linkTarget } = statusOf(files, path);
  if (type !== 'directory') {
    return [{ name, type, mode, modifiedAt, linkTarget, ...(type === 'file' ? { data: files.read(path) } : {}) }];
  }
  const below = files.list(path).flatMap((each) => entriesOf(files, `${path}/${each}`, `${name}/${each}`));
  return [{ name, type, mode, modifiedAt }, ...below];
}

function statusOf(files: FakeFiles, path: string): FakeFileStatus {
  checkAbsolute(path);
  const status = files.stat(path);
  if (status) return status;
  throw new NotFoundError(`there is no ${path} in the container`, { subject: path });
}

function checkAbsolute(path: string): void {
  if (path.startsWith('/') && !path.includes('\0')) return;
  throw new InvalidSpecError(`${JSON.stringify(path)} is no absolute path`, { subject: path });
}

function lastPartOf(path: string): string {
  return path.split('/').findLast((part) => part !== '') ?? '';
}

async function* limited(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let size = 0;
  for await (const chunk of archive) {
    size += chunk.byteLength;
    if (size > MAX_ARCHIVE) throw new ZlayerError('CONFLICT', `the archive has more than ${MAX_ARCHIVE} bytes`);
    yield chunk;
  }
}
