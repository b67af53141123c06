import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ErofsWriter } from './erofs-writer.ts';
import type { FileNode } from './node.ts';
import { dump, expectClean, expectError } from './testing/erofs-utils.ts';
import { ImageReader } from './testing/image-reader.ts';
import { addContents, bytes, directory, file, listMeant, type Meant, meant, writeImage } from './testing/tree.ts';

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000 };

let folder: string;
let image: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'erofs-'));
  image = join(folder, 'image');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('an empty tree is an image of its own', async () => {
  const made = await writeImage(image, directory([]));
  expect(made).toMatchObject({ bytes: statSync(image).size, inodes: 1 });
  expect(new ImageReader(image).list()).toEqual(listMeant(directory([])));
  await expectClean(image);
});

test('every kind of entry keeps all that it has', async () => {
  const linked = file('twice\n', { mode: 0o4755, xattrs: new Map([['security.capability', bytes(20)]]) });
  const root = directory([
    ['empty', file('')],
    ['big', file(bytes(1_000_000), { uid: 70_000, gid: 0xffff_fffe, mtime: -5, nanoseconds: 999_999_999 })],
    ['one', linked],
    ['two', linked],
    ['link', meant('symlink', { target: '../nowhere\xff', mode: 0o777 })],
    ['null', meant('character-device', { device: [1, 3], mode: 0o666 })],
    ['disk', meant('block-device', { device: [0xfff, 0xfffff] })],
    ['pipe', meant('fifo')],
    ['socket', meant('socket')],
    ['\x01\xfe', directory([['n'.repeat(255), file('x')]], { mode: 0o1777 })],
  ]);
  const { inodes, uuid } = await writeImage(image, root, { label: 'fifteen letters' });
  expect(inodes).toBe(11);
  expect(new ImageReader(image).list()).toEqual(listMeant(root));
  await expectClean(image);
  const superblock = await dump('-s', image);
  expect(superblock).toMatch(/Filesystem inode count: +11\n/);
  expect(superblock).toMatch(/Filesystem features: +sb_csum mtime \n/);
  expect(superblock).toContain(uuid);
  expect(readFileSync(image).toString('latin1', 1024 + 64, 1024 + 80)).toBe('fifteen letters\0');
  const one = await dump('--path=/one', image);
  expect(one).toMatch(/Links: 2 /);
  expect(one).toMatch(/Xattr size: 48\n/);
});

test('a directory of 100 000 entries is complete, and every name is found by binary search', async () => {
  const entry = meant('fifo');
  const names = Array.from({ length: 100_000 }, (_, index) => `entry-${(index * 7919) % 100_000}`);
  const root = directory([['many', directory(names.map((name) => [name, entry]))]]);
  const { inodes } = await writeImage(image, root);
  expect(inodes).toBe(3);
  await expectClean(image);
  const reader = new ImageReader(image);
  const many = reader.inode(reader.lookUp(reader.root, 'many') ?? 0);
  expect(reader.entries(many).length).toBe(100_002);
  const target = reader.lookUp(many, names[0] ?? '');
  expect(reader.inode(target ?? 0)).toMatchObject({ type: 'fifo', links: 100_000, extended: true });
  for (let index = 0; index < names.length; index += 997) expect(reader.lookUp(many, names[index] ?? '')).toBe(target);
  expect(reader.lookUp(many, 'entry-100000')).toBeUndefined();
});

test('extended attributes that several entries have are stored once', async () => {
  const label = bytes(200, 9);
  const entries = Array.from({ length: 500 }, (_, index): [string, Meant] => [
    `f${index}`,
    file('', { xattrs: new Map([['user.label', label]]) }),
  ]);
  const root = directory(entries);
  await writeImage(image, root);
  const written = readFileSync(image);
  expect(written.indexOf(label)).toBeGreaterThan(0);
  expect(written.indexOf(label, written.indexOf(label) + 1)).toBe(-1);
  expect(new ImageReader(image).list()).toEqual(listMeant(root));
  await expectClean(image);
});

test('extended attributes that leave no room for the rest of a content cost none of it', async () => {
  const xattrs = new Map(Array.from({ length: 400 }, (_, index) => [`user.${index}`, bytes(200, index)] as const));
  const huge = new Map([['user.huge', bytes(65_535)]]);
  const content = bytes(10_000);
  const root = directory(
    [
      ['file', file(content, { xattrs })],
      ['small', file('small', { xattrs })],
      ['link', meant('symlink', { target: 't'.repeat(300), xattrs })],
      ['huge', file('small', { xattrs: huge })],
    ],
    { xattrs },
  );
  await writeImage(image, root);
  expect(new ImageReader(image).list()).toEqual(listMeant(root));
  await expectClean(image);
});

test('thousands of small files share blocks with their inodes', async () => {
  const entries = Array.from({ length: 5000 }, (_, index): [string, Meant] => [`f${index}`, file(bytes(300, index))]);
  const { bytes: size } = await writeImage(image, directory(entries));
  expect(size).toBeLessThan(5000 * (300 + 32) * 1.25);
  await expectClean(image);
});

test('the same input gives the same bytes, and other content another UUID', async () => {
  const treeWith = (content: Buffer) =>
    directory([
      ['a', file(content, { xattrs: new Map([['user.a', bytes(10)]]) })],
      ['d', directory([['b', file(bytes(50_000))]])],
    ]);
  const first = await writeImage(image, treeWith(bytes(9000, 1)));
  const second = await writeImage(`${image}2`, treeWith(bytes(9000, 1)));
  const other = await writeImage(`${image}3`, treeWith(bytes(9000, 2)));
  expect(second).toEqual(first);
  expect(readFileSync(`${image}2`).equals(readFileSync(image))).toBe(true);
  expect(other.bytes).toBe(first.bytes);
  expect(other.uuid).not.toBe(first.uuid);
});

test('a UUID that was given is the image’s', async () => {
  const uuid = '01234567-89ab-cdef-0123-456789abcdef';
  expect((await writeImage(image, directory([]), { uuid: uuid.toUpperCase() })).uuid).toBe(uuid);
  expect(await dump('-s', image)).toContain(uuid);
});

test('files that are written at the same time do not mix', async () => {
  await using writer = await ErofsWriter.create(image, { sync: false });
  const contents = Array.from({ length: 12 }, (_, index) => bytes(1_000_000 + index * 1111, index));
  const inPieces = async function* (content: Buffer) {
    for (let from = 0; from < content.length; from += 60_000) {
      await delay(0);
      yield content.subarray(from, from + 60_000);
    }
  };
  const datas = await Promise.all(
    contents.map((content, index) =>
      writer.addFile(inPieces(content), index % 3 === 0 ? {} : { size: content.length }),
    ),
  );
  const entries = datas.map((data, index): [string, FileNode] => [`${index}`, { ...ATTRIBUTES, type: 'file', data }]);
  await writer.finish({ ...ATTRIBUTES, type: 'directory', entries });
  const list = new ImageReader(image).list();
  for (const [index, content] of contents.entries()) {
    expect(list.get(`/${index}`)?.content === content.toString('latin1'), `file ${index}`).toBe(true);
  }
  await expectClean(image);
});

test('how writes interleave changes nothing in the image', async () => {
  const contents = [bytes(70_001, 1), bytes(6000, 2), bytes(9_000, 3)];
  const write = async (path: string, order: readonly number[]) => {
    await using writer = await ErofsWriter.create(path, { sync: false });
    const sinks = contents.map((content) => writer.begin(content.length));
    const done = contents.map(() => 0);
    for (const index of order) {
      const from = done[index] ?? 0;
      const piece = contents[index]?.subarray(from, from + 1000) ?? Buffer.alloc(0);
      sinks[index]?.write(piece);
      done[index] = from + piece.length;
    }
    const entries = sinks.map((sink, index): [string, FileNode] => [
      `${index}`,
      { ...ATTRIBUTES, type: 'file', data: sink.end() },
    ]);
    await writer.finish({ ...ATTRIBUTES, type: 'directory', entries });
  };
  await write(
    image,
    [0, 1, 2].flatMap((index) => Array<number>(71).fill(index)),
  );
  await write(
    `${image}2`,
    Array.from({ length: 71 * 3 }, (_, index) => 2 - (index % 3)),
  );
  expect(readFileSync(`${image}2`).equals(readFileSync(image))).toBe(true);
  await expectClean(image);
});

test('one content can be in several files', async () => {
  await using writer = await ErofsWriter.create(image, { sync: false });
  const data = await writer.addFile([bytes(9000)], { size: 9000 });
  await writer.finish({
    ...ATTRIBUTES,
    type: 'directory',
    entries: [
      ['a', { ...ATTRIBUTES, type: 'file', data }],
      ['b', { ...ATTRIBUTES, type: 'file', data, uid: 5 }],
    ],
  });
  const list = new ImageReader(image).list();
  expect(list.get('/b')).toMatchObject({ owner: '5:0', links: 1, content: list.get('/a')?.content });
  await expectClean(image);
});

test('the space of discarded contents is used again, and the image stays right', async () => {
  await using writer = await ErofsWriter.create(image, { sync: false });
  for (let round = 0; round < 50; round++) {
    writer.discard(await writer.addFile([bytes(100_000, round)], { size: 100_000 }));
    const cancelled = writer.begin(200_000);
    cancelled.write(bytes(150_000, round));
    cancelled.cancel();
  }
  const kept = directory([
    ['a', file(bytes(60_000, 3))],
    ['b', file(bytes(40_000, 4))],
  ]);
  const { bytes: size } = await writer.finish(addContents(writer, kept));
  expect(size).toBeLessThan(130_000);
  expect(statSync(image).size).toBe(size);
  expect(new ImageReader(image).list()).toEqual(listMeant(kept));
  await expectClean(image);
});

test('unused blocks in the middle do no harm', async () => {
  await using writer = await ErofsWriter.create(image, { sync: false });
  const lost = await writer.addFile([bytes(500_000)], { size: 500_000 });
  const kept = directory([['a', file(bytes(10_000))]]);
  const root = addContents(writer, kept);
  writer.discard(lost);
  await writer.finish(root);
  expect(new ImageReader(image).list()).toEqual(listMeant(kept));
  await expectClean(image);
});

test('nothing is at the path before the image is complete, and what was there is then replaced', async () => {
  writeFileSync(image, 'before');
  const writer = await ErofsWriter.create(image);
  await writer.addFile([bytes(5_000_000)], { size: 5_000_000 });
  expect(readFileSync(image, 'utf8')).toBe('before');
  await writer.finish({ ...ATTRIBUTES, type: 'directory', entries: [] });
  await expectClean(image);
  expect(readdirSync(folder)).toEqual(['image']);
});

test('an abort leaves no file behind, and the writer says so from then on', async () => {
  const writer = await ErofsWriter.create(image);
  const sink = writer.begin(10_000_000);
  sink.write(bytes(9_000_000));
  await writer.abort();
  expect(readdirSync(folder)).toEqual([]);
  await expectError(() => sink.write(bytes(1)), 'ABORTED');
  await expectError(() => sink.end(), 'ABORTED');
  await expectError(() => writer.begin(1), 'ABORTED');
  await expectError(() => writer.addFile([]), 'ABORTED');
  await expectError(() => writer.finish({ ...ATTRIBUTES, type: 'directory', entries: [] }), 'ABORTED');
  await writer.abort();
});

test('a writer that goes out of scope unfinished leaves no file behind', async () => {
  {
    await using writer = await ErofsWriter.create(image);
    await writer.addFile([bytes(100_000)]);
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('a signal ends everything with its reason', async () => {
  const reason = new Error('enough');
  await expect(ErofsWriter.create(image, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const writer = await ErofsWriter.create(image, { signal: controller.signal });
  const entries = Array.from({ length: 20_000 }, (_, index): [string, Meant] => [`f${index}`, file(bytes(3000))]);
  const root = addContents(writer, directory(entries));
  const finishing = writer.finish(root);
  setImmediate(() => controller.abort(reason));
  await expect(finishing).rejects.toBe(reason);
  expect(readdirSync(folder)).toEqual([]);
});

test('a source that fails costs its own file only', async () => {
  await using writer = await ErofsWriter.create(image, { sync: false });
  const broken = async function* () {
    yield bytes(5000);
    throw new Error('the layer is broken');
  };
  await expect(writer.addFile(broken(), { size: 10_000 })).rejects.toThrow('the layer is broken');
  await expect(writer.addFile(broken())).rejects.toThrow('the layer is broken');
  await expectError(() => writer.addFile([bytes(9)], { size: 10 }), 'WRONG_SIZE');
  await expectError(() => writer.addFile([bytes(11)], { size: 10 }), 'WRONG_SIZE');
  await writer.finish(addContents(writer, directory([['a', file('a')]])));
  await expectClean(image);
  expect(readdirSync(folder)).toEqual(['image']);
});

test('a folder that is not there is an error that names the path', async () => {
  const error = await expectError(() => ErofsWriter.create(join(folder, 'none', 'image')), 'IO');
  expect(error.message).toContain(join(folder, 'none', 'image'));
  expect(error.cause).toMatchObject({ code: 'ENOENT' });
});

test('an image that cannot take its place is removed', async () => {
  const writer = await ErofsWriter.create(folder);
  await expectError(() => writer.finish({ ...ATTRIBUTES, type: 'directory', entries: [] }), 'IO');
  expect(readdirSync(join(folder, '..')).filter((name) => name.startsWith(folder.slice(tmpdir().length + 1)))).toEqual([
    folder.slice(tmpdir().length + 1),
  ]);
  expect(existsSync(folder)).toBe(true);
});
