import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, posix, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type ContainerInstance,
  type FileStatus,
  isZlayerError,
  type Runtime,
  ZlayerError,
} from '@zlayer/runtime-core';
import { create, extract } from 'tar';
import type { Cli } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

type CopyOptions = CommonOptions & { archive?: boolean; followLink?: boolean };

interface Copy {
  cli: Cli;
  runtime: Runtime;
  container: ContainerInstance;
  options: CopyOptions;
}

const DIRECTORY = 0o040000;
const TYPE = 0o170000;
/** As many as Linux follows. */
const MOST_LINKS = 40;

export function cpCommand(cli: Cli) {
  const command = newCommand(
    'cp <source> <target>',
    'Copy files between a container (NAME:PATH) and here; "-" is a tar archive on standard input or output.',
  )
    .option('-a, --archive', 'keep owners, by number; else what is copied belongs to root there, and to you here')
    .option('-L, --follow-link', 'copy what a symbolic link leads to, not the link');
  return action(cli, command, async (source: string, target: string, options: CopyOptions) => {
    const [from, to] = [placeOf(source), placeOf(target)];
    if ((from.container === undefined) === (to.container === undefined)) {
      throw new ZlayerError('INVALID_SPEC', 'one of the two, and only one, is in a container', {
        remedy: 'Write NAME:PATH for a path in a container.',
      });
    }
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, from.container ?? to.container ?? '');
    const container = { ...id, instance };
    const [copy, paths] = [{ cli, runtime, container, options }, [from.path, to.path] as const];
    await (from.container === undefined ? copyIn(copy, ...paths) : copyOut(copy, ...paths));
  });
}

/** `name:/path`, or a path here. A path with a slash before its colon is one of here. */
export function placeOf(text: string): { container?: string; path: string } {
  const colon = text.indexOf(':');
  if (colon <= 0 || text.slice(0, colon).includes('/') || text.startsWith('.')) return { path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

async function copyOut({ cli, runtime, container, options }: Copy, source: string, target: string): Promise<void> {
  const isContent = /(?:^|\/)\.$/.test(source);
  const asked = posix.resolve('/', source);
  const isFollowed = options.followLink === true || isContent || source.endsWith('/');
  const head = await runtime.archiveHead(container, asked);
  const { path, mode } = isFollowed ? await followLinks({ runtime, container }, asked, head) : { ...head, path: asked };
  if (target === '-') {
    await pipeline(await runtime.archiveGet(container, path), cli.stdout, { end: false });
    return;
  }
  const isDirectory = (mode & TYPE) === DIRECTORY;
  const info = await orNothing(stat(target));
  if (!info && target.endsWith('/') && !isDirectory) throw noDirectory(target);
  if (info && isDirectory && !info.isDirectory()) throw notIntoFile(target);
  const [name, shown] = [posix.basename(path), posix.basename(asked)];
  const keepsName = info?.isDirectory() === true && !(isDirectory && isContent);
  const [directory, newName] = keepsName
    ? [resolve(target), shown]
    : [dirname(resolve(target)), basename(resolve(target))];
  if (!(await orNothing(stat(directory)))?.isDirectory()) throw noDirectory(directory);
  // Nothing gets out of the directory, whatever the archive says: `tar` refuses `..`, absolute paths and links on the way.
  const unpack = extract({
    cwd: directory,
    strict: true,
    preserveOwner: options.archive === true,
    onReadEntry: (entry) => {
      entry.path = renamed(entry.path, name, newName);
      // A hard link names another entry of the archive.
      if (entry.type === 'Link' && entry.linkpath) entry.linkpath = renamed(entry.linkpath, name, newName);
    },
  });
  const archive = await runtime.archiveGet(container, path);
  await pipeline(archive, unpack).catch((error: unknown) => failHere(error, target));
}

async function copyIn({ cli, runtime, container, options }: Copy, source: string, target: string): Promise<void> {
  const asked = posix.resolve('/', target);
  if (source === '-') {
    await runtime.archivePut(container, asked, cli.stdin);
    return;
  }
  const isContent = /(?:^|\/)\.$/.test(source);
  const isFollowed = options.followLink === true || isContent || source.endsWith('/');
  const here = isFollowed ? await orNothing(realpath(source)) : resolve(source);
  const info = here === undefined ? undefined : await orNothing(lstat(here));
  if (!here || !info) throw noSource(source);
  const found = await headOrNothing({ runtime, container }, asked);
  const existing = found && (await followLinks({ runtime, container }, asked, found));
  const path = existing?.path ?? asked;
  const isInto = existing !== undefined && (existing.mode & TYPE) === DIRECTORY;
  if (!existing && target.endsWith('/') && !info.isDirectory()) throw noDirectory(target);
  if (existing && !isInto && info.isDirectory()) throw notIntoFile(target);
  const [name, shown] = [basename(here), basename(resolve(source))];
  const [directory, newName] =
    isInto && !(isContent && info.isDirectory()) ? [path, shown] : [posix.dirname(path), posix.basename(path)];
  const archive = create(
    {
      cwd: dirname(here),
      portable: false,
      strict: true,
      onWriteEntry: (entry) => {
        if (entry.stat && !options.archive) Object.assign(entry.stat, { uid: 0, gid: 0 });
        entry.path = renamed(entry.path, name, newName);
        if (entry.type === 'Link' && entry.linkpath) entry.linkpath = renamed(entry.linkpath, name, newName);
      },
    },
    [`./${name}`],
  );
  // It fails as soon as it meets what it cannot read, also when nobody looks at it yet.
  const stream = new PassThrough();
  stream.on('error', () => {});
  archive.on('error', (error: unknown) => void stream.destroy(error as Error));
  archive.pipe(stream);
  await runtime.archivePut(container, directory, stream).catch((error: unknown) => failHere(error, source));
}

/** What a path of the container leads to in the end. */
async function followLinks(
  { runtime, container }: Pick<Copy, 'runtime' | 'container'>,
  path: string,
  status: FileStatus,
): Promise<{ path: string; mode: number }> {
  let [at, head] = [path, status];
  for (let links = 0; head.linkTarget !== undefined; links += 1) {
    if (links === MOST_LINKS) {
      throw new ZlayerError('INVALID_SPEC', `${path} is a symbolic link that leads to too many others`, {
        subject: path,
      });
    }
    at = posix.resolve(posix.dirname(at), head.linkTarget);
    head = await runtime.archiveHead(container, at);
  }
  return { path: at, mode: head.mode };
}

/** Says what the file system of this machine has against it. */
function failHere(error: unknown, path: string): never {
  if (isZlayerError(error) || !(error instanceof Error) || !('syscall' in error)) throw error;
  const subject = 'path' in error && typeof error.path === 'string' ? error.path : path;
  throw new ZlayerError('UNAVAILABLE', `cannot copy ${subject}: ${error.message}`, {
    subject,
    remedy: 'Look at its permissions, and at the room that is left, on this machine.',
    cause: error,
  });
}

/** Entries begin with the last part of the path that was archived. */
export function renamed(path: string, from: string, to: string): string {
  const plain = path.replace(/^\.\//, '');
  // The root itself has no name, and its entries begin with nothing.
  if (from === '') return `${to}/${plain}`;
  if (plain === from || plain === `${from}/`) return plain.endsWith('/') ? `${to}/` : to;
  return plain.startsWith(`${from}/`) ? `${to}${plain.slice(from.length)}` : plain;
}

/** `undefined` for a path of this machine that is not there. */
async function orNothing<T>(looked: Promise<T>): Promise<T | undefined> {
  return await looked.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}

async function headOrNothing(
  { runtime, container }: Pick<Copy, 'runtime' | 'container'>,
  path: string,
): Promise<FileStatus | undefined> {
  return await runtime.archiveHead(container, path).catch((error: unknown) => {
    if (isZlayerError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
}

function noSource(path: string): ZlayerError {
  return new ZlayerError('NOT_FOUND', `there is no ${path} on this machine`, {
    subject: path,
    remedy: 'Write NAME:PATH for a path in a container.',
  });
}

function noDirectory(path: string): ZlayerError {
  return new ZlayerError('NOT_FOUND', `there is no directory ${path}`, {
    subject: path,
    remedy: 'Make it first, or leave out the slash at its end to give the copy that name.',
  });
}

function notIntoFile(path: string): ZlayerError {
  return new ZlayerError('CONFLICT', `${path} is no directory, and a directory is to be copied there`, {
    subject: path,
    remedy: 'Name a directory, or what is not there yet.',
  });
}
