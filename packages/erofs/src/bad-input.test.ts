import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ErofsWriter } from './erofs-writer.ts';
import type { DirectoryNode, ErofsNode } from './node.ts';
import { expectClean, expectError } from './testing/erofs-utils.ts';

const ATTRIBUTES = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };

let folder: string;
let image: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'erofs-bad-'));
  image = join(folder, 'image');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function directory(...entries: [string, ErofsNode][]): DirectoryNode {
  return { ...ATTRIBUTES, type: 'directory', entries };
}

const FIFO: ErofsNode = { ...ATTRIBUTES, type: 'fifo' };

/** A tree that must be refused, whole, with nothing left behind. */
async function expectRefused(root: DirectoryNode, code: string, entry: string): Promise<void> {
  const writer = await ErofsWriter.create(image);
  await expectError(() => writer.finish(root), code, entry);
  expect(readdirSync(folder)).toEqual([]);
  await expectError(() => writer.begin(1), code, entry);
}

test.each([
  ['an empty name', '', '"/d/"'],
  ['the name .', '.', '"/d/."'],
  ['the name ..', '..', '"/d/.."'],
  ['a name with a slash', 'a/b', '"/d/a/b"'],
  ['a name with a NUL', 'a\0b', '"/d/a\\u0000b"'],
  ['a name with a character that is no byte', '€', '"/d/€"'],
  ['a name of 256 bytes', 'n'.repeat(256), `"/d/${'n'.repeat(97)}…${'n'.repeat(99)}"`],
])('%s is refused', async (_, name, entry) => {
  await expectRefused(directory(['d', directory([name, FIFO])]), 'INVALID_NAME', entry);
});

test('two entries of one name are refused', async () => {
  await expectRefused(directory(['d', directory(['a', FIFO], ['a', FIFO])]), 'DUPLICATE_NAME', '"/d/a"');
});

test('a directory that contains itself, or is in two places, is refused', async () => {
  const cycle: DirectoryNode & { entries: [string, ErofsNode][] } = { ...ATTRIBUTES, type: 'directory', entries: [] };
  cycle.entries.push(['again', cycle]);
  await expectRefused(directory(['a', cycle]), 'DIRECTORY_LOOP', '"/a/again"');
  const root: DirectoryNode & { entries: [string, ErofsNode][] } = { ...ATTRIBUTES, type: 'directory', entries: [] };
  root.entries.push(['root', root]);
  await expectRefused(root, 'DIRECTORY_LOOP', '"/root"');
  const shared = directory();
  await expectRefused(directory(['a', shared], ['b', shared]), 'DIRECTORY_LOOP', '"/b"');
});

test.each([
  ['empty', ''],
  ['4096 bytes long', 't'.repeat(4096)],
  ['with a NUL', 'a\0'],
  ['no bytes', '€'],
])('a link whose target is %s is refused', async (_, target) => {
  await expectRefused(directory(['l', { ...ATTRIBUTES, type: 'symlink', target }]), 'INVALID_TARGET', '"/l"');
});

test.each([
  ['a name without a known prefix', [['system.nfs4_acl', '']]],
  ['a prefix without a name', [['user.', '']]],
  ['a name of 256 bytes', [[`user.${'n'.repeat(251)}`, '']]],
  ['a name with a NUL', [['user.a\0', '']]],
  ['a name that is no bytes', [['user.€', '']]],
  ['a value of 65536 bytes', [['user.a', 'v'.repeat(65_536)]]],
  [
    'two of one name',
    [
      ['user.a', 'a'],
      ['user.a', 'b'],
    ],
  ],
  ['too many large ones', Array.from({ length: 200 }, (_, index) => [`user.${index}`, `${index}`.repeat(5000)])],
] as [string, [string, string][]][])('extended attributes with %s are refused', async (_, xattrs) => {
  const node: ErofsNode = { ...FIFO, xattrs: xattrs.map(([name, value]) => [name, Buffer.from(value)] as const) };
  await expectRefused(directory(['x', node]), 'INVALID_XATTR', '"/x"');
});

test.each([
  ['mode', { ...FIFO, mode: 0o10000 }],
  ['mode', { ...FIFO, mode: -1 }],
  ['uid', { ...FIFO, uid: 2 ** 32 - 1 }],
  ['gid', { ...FIFO, gid: 1.5 }],
  ['mtime', { ...FIFO, mtime: Number.NaN }],
  ['mtime', { ...FIFO, mtime: 2 ** 53 }],
  ['mtimeNanoseconds', { ...FIFO, mtimeNanoseconds: 1_000_000_000 }],
  ['major', { ...ATTRIBUTES, type: 'block-device', major: 4096, minor: 0 }],
  ['minor', { ...ATTRIBUTES, type: 'character-device', major: 0, minor: 2 ** 20 }],
] as [string, ErofsNode][])('a %s out of range is refused', async (field, node) => {
  await expectRefused(directory(['x', node]), 'OUT_OF_RANGE', '"/x"');
  const writer = await ErofsWriter.create(image);
  await expect(writer.finish(directory(['x', node]))).rejects.toThrow(`${field} is`);
});

test('a type that EROFS does not have, and a root that is no directory, are refused', async () => {
  const unknown = { ...ATTRIBUTES, type: 'door' } as unknown as ErofsNode;
  await expectRefused(directory(['x', unknown]), 'INVALID_NODE', '"/x"');
  await expectRefused(FIFO as unknown as DirectoryNode, 'INVALID_NODE', '"/"');
});

test('a content that was discarded, or comes from another writer, is refused', async () => {
  await using other = await ErofsWriter.create(`${folder}-other`);
  const foreign = await other.addFile([Buffer.from('x')]);
  await expectRefused(directory(['f', { ...ATTRIBUTES, type: 'file', data: foreign }]), 'INVALID_DATA', '"/f"');
  const writer = await ErofsWriter.create(image);
  const data = await writer.addFile([Buffer.from('x')]);
  await expectError(() => writer.discard(foreign), 'INVALID_DATA');
  writer.discard(data);
  await expectError(() => writer.discard(data), 'INVALID_DATA');
  await expectError(
    () => writer.finish(directory(['f', { ...ATTRIBUTES, type: 'file', data }])),
    'INVALID_DATA',
    '"/f"',
  );
});

test('a file gets exactly its size, or an error', async () => {
  await using writer = await ErofsWriter.create(image);
  for (const size of [-1, 0.5, Number.NaN, 2 ** 60]) await expectError(() => writer.begin(size), 'OUT_OF_RANGE');
  await expectError(() => writer.begin(2 ** 52), 'IMAGE_TOO_LARGE');
  const sink = writer.begin(5);
  await expectError(() => sink.write(Buffer.alloc(6)), 'WRONG_SIZE');
  sink.write(Buffer.alloc(4));
  await expectError(() => sink.end(), 'WRONG_SIZE');
  expect(sink.remaining).toBe(1);
  sink.write(Buffer.alloc(1));
  sink.end();
  await expectError(() => sink.end(), 'INVALID_DATA');
  await expectError(() => sink.write(Buffer.alloc(0)), 'INVALID_DATA');
});

test('an image cannot be finished while a file is being written, nor twice, nor added to afterwards', async () => {
  const writer = await ErofsWriter.create(image);
  const sink = writer.begin(1);
  await expectError(() => writer.finish(directory()), 'INVALID_DATA');
  sink.cancel();
  sink.cancel();
  const first = writer.finish(directory());
  await expectError(() => writer.finish(directory()), 'FINISHED');
  await first;
  await expectError(() => writer.finish(directory()), 'FINISHED');
  await expectError(() => writer.begin(1), 'FINISHED');
  await writer.abort();
  await expectClean(image);
});

test('a malformed UUID or label is refused before anything is created', async () => {
  for (const uuid of ['', '0123', 'g1234567-89ab-cdef-0123-456789abcdef']) {
    await expectError(() => ErofsWriter.create(image, { uuid }), 'INVALID_OPTION');
  }
  for (const label of ['sixteen letters!', 'a\0']) {
    await expectError(() => ErofsWriter.create(image, { label }), 'INVALID_OPTION');
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('a tree 20 000 directories deep is no danger', async () => {
  let root = directory();
  for (let depth = 0; depth < 20_000; depth++) root = directory(['d', root]);
  const writer = await ErofsWriter.create(image, { sync: false });
  expect(await writer.finish(root)).toMatchObject({ inodes: 20_001 });
});
