import { lstat } from 'node:fs/promises';
import { basename, dirname, posix, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ContainerInstance, isZlayerError, type Runtime, ZlayerError } from '@zlayer/runtime-core';
import { create, extract } from 'tar';
import type { Cli } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

const DIRECTORY = 0o040000;
const TYPE = 0o170000;

export function cpCommand(cli: Cli) {
  const command = newCommand(
    'cp <source> <target>',
    'Copy files between a container (NAME:PATH) and here; "-" is a tar archive on standard input or output.',
  );
  return action(cli, command, async (source: string, target: string, options: CommonOptions) => {
    const [from, to] = [placeOf(source), placeOf(target)];
    if ((from.container === undefined) === (to.container === undefined)) {
      throw new ZlayerError('INVALID_SPEC', 'one of the two, and only one, is in a container', {
        remedy: 'Write NAME:PATH for a path in a container.',
      });
    }
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, from.container ?? to.container ?? '');
    const container = { ...id, instance };
    if (from.container !== undefined) await copyOut(cli, runtime, container, from.path, to.path);
    else await copyIn(cli, runtime, container, from.path, to.path);
  });
}

/** `name:/path`, or a path here. A path with a slash before its colon is one of here. */
export function placeOf(text: string): { container?: string; path: string } {
  const colon = text.indexOf(':');
  if (colon <= 0 || text.slice(0, colon).includes('/') || text.startsWith('.')) return { path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

async function copyOut(cli: Cli, runtime: Runtime, container: ContainerInstance, source: string, target: string) {
  const isContent = /(?:^|\/)\.$/.test(source);
  const path = posix.resolve('/', source);
  if (target === '-') {
    await pipeline(await runtime.archiveGet(container, path), cli.stdout, { end: false });
    return;
  }
  const isDirectory = ((await runtime.archiveHead(container, path)).mode & TYPE) === DIRECTORY;
  const info = await lstatOrNothing(target);
  if (!info && target.endsWith('/') && !isDirectory) throw noDirectory(target);
  if (info && isDirectory && !info.isDirectory()) throw notIntoFile(target);
  const name = posix.basename(path);
  const keepsName = info?.isDirectory() === true && !(isDirectory && isContent);
  const [directory, newName] = keepsName
    ? [resolve(target), name]
    : [dirname(resolve(target)), basename(resolve(target))];
  // Nothing gets out of the directory, whatever the archive says: `tar` refuses `..`, absolute paths and links on the way.
  const unpack = extract({
    cwd: directory,
    strict: true,
    onReadEntry: (entry) => {
      entry.path = renamed(entry.path, name, newName);
      // A hard link names another entry of the archive.
      if (entry.type === 'Link' && entry.linkpath) entry.linkpath = renamed(entry.linkpath, name, newName);
    },
  });
  await pipeline(await runtime.archiveGet(container, path), unpack);
}

async function copyIn(cli: Cli, runtime: Runtime, container: ContainerInstance, source: string, target: string) {
  const path = posix.resolve('/', target);
  if (source === '-') {
    await runtime.archivePut(container, path, cli.stdin);
    return;
  }
  const info = await lstatOrNothing(source);
  if (!info) throw new ZlayerError('NOT_FOUND', `there is no ${source}`, { subject: source });
  const existing = await headOrNothing(runtime, container, path);
  const isInto = existing !== undefined && (existing.mode & TYPE) === DIRECTORY;
  if (!existing && target.endsWith('/') && !info.isDirectory()) throw noDirectory(target);
  if (existing && !isInto && info.isDirectory()) throw notIntoFile(target);
  const isContent = info.isDirectory() && /(?:^|\/)\.$/.test(source);
  const name = basename(resolve(source));
  const [directory, newName] = isInto && !isContent ? [path, name] : [posix.dirname(path), posix.basename(path)];
  const archive = create(
    {
      cwd: dirname(resolve(source)),
      portable: false,
      onWriteEntry: (entry) => {
        entry.path = renamed(entry.path, name, newName);
        if (entry.type === 'Link' && entry.linkpath) entry.linkpath = renamed(entry.linkpath, name, newName);
      },
    },
    [`./${name}`],
  );
  await runtime.archivePut(container, directory, archive);
}

/** Entries begin with the last part of the path that was archived. */
export function renamed(path: string, from: string, to: string): string {
  const plain = path.replace(/^\.\//, '');
  // The root itself has no name, and its entries begin with nothing.
  if (from === '') return `${to}/${plain}`;
  if (plain === from || plain === `${from}/`) return plain.endsWith('/') ? `${to}/` : to;
  return plain.startsWith(`${from}/`) ? `${to}${plain.slice(from.length)}` : plain;
}

async function lstatOrNothing(path: string) {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}

async function headOrNothing(runtime: Runtime, container: ContainerInstance, path: string) {
  return await runtime.archiveHead(container, path).catch((error: unknown) => {
    if (isZlayerError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
}

function noDirectory(path: string): ZlayerError {
  return new ZlayerError('NOT_FOUND', `there is no directory ${path}`, { subject: path });
}

function notIntoFile(path: string): ZlayerError {
  return new ZlayerError('CONFLICT', `${path} is no directory, and a directory is to be copied there`, {
    subject: path,
  });
}
