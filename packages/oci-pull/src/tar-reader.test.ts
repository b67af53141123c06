import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TarEntry } from './tar-entry.ts';
import { TarError } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';
import { padded, type TarInput, writeHeader, writeTar } from './testing/tar-writer.ts';

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function readAll(archive: Buffer, size = 4096): Promise<(TarEntry & { content: Buffer })[]> {
  const reader = new TarReader(inPieces(archive, size));
  const entries: (TarEntry & { content: Buffer })[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const chunks: Buffer[] = [];
    for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read())
      chunks.push(Buffer.from(chunk));
    entries.push({ ...entry, content: Buffer.concat(chunks) });
  }
  return entries;
}

const nothing = Buffer.alloc(0);
const end = Buffer.alloc(1024);
const header = (typeFlag: string, name: string, size: number) =>
  writeHeader({ mode: 0o644 }, typeFlag, Buffer.from(name), nothing, size);

describe('an archive is read as other tools read it', () => {
  test('entries of every type, in pieces of every size', async () => {
    const archive = writeTar([
      { type: 'directory', path: 'd/', mode: 0o1777, uid: 5, gid: 6 },
      { path: 'd/file', content: 'x'.repeat(1000), mode: 0o4755, mtime: 1234 },
      { type: 'symlink', path: 'l', linkPath: '../target' },
      { type: 'hardlink', path: 'h', linkPath: 'd/file' },
      { type: 'character', path: 'c', deviceMajor: 1, deviceMinor: 3 },
      { type: 'fifo', path: 'p' },
      { path: 'empty' },
    ]);
    for (const size of [1, 511, 512, 513, archive.length]) {
      const entries = await readAll(archive, size);
      expect(entries.map(({ type }) => type)).toEqual([
        'directory',
        'file',
        'symlink',
        'hardlink',
        'character',
        'fifo',
        'file',
      ]);
      expect(entries[0]).toMatchObject({ path: 'd/', mode: 0o1777, uid: 5, gid: 6 });
      expect(entries[1]).toMatchObject({ mode: 0o4755, mtime: 1234, size: 1000 });
      expect(entries[1]?.content.toString()).toBe('x'.repeat(1000));
      expect(entries[2]).toMatchObject({ linkPath: '../target' });
      expect(entries[4]).toMatchObject({ deviceMajor: 1, deviceMinor: 3 });
    }
  });

  test('whatever a user names a file, the name comes out, long or not', async () => {
    const name = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes.map((b) => b || 1)));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ path: name, content: fc.string() }), { maxLength: 5 }), async (files) => {
        const entries = await readAll(writeTar(files));
        expect(entries.map(({ path }) => path)).toEqual(files.map(({ path }) => path.toString('latin1')));
        expect(entries.map(({ content }) => content.toString())).toEqual(files.map(({ content }) => content));
      }),
      { numRuns: 50 },
    );
  });

  test('GNU long names, numbers in binary and PAX overrides', async () => {
    const long = 'n'.repeat(300);
    const large = header('0', 'large-uid', 0);
    large.fill(0, 108, 116).writeUInt8(0x80, 108);
    large.writeUInt32BE(4_000_000_000, 112);
    fixChecksum(large);
    const archive = Buffer.concat([
      header('L', '././@LongLink', 301),
      padded(Buffer.from(`${long}\0`)),
      header('K', '././@LongLink', 301),
      padded(Buffer.from(`${long}\0`)),
      header('2', 'short', 0),
      large,
      writeTar([
        {
          path: 'pax',
          content: 'abc',
          pax: { uid: '3000000000', mtime: '12.5', 'SCHILY.xattr.user.a': 'b', comment: 'a=b\nc' },
        },
      ]),
    ]);
    const [first, second, third] = await readAll(archive);
    expect(first).toMatchObject({ type: 'symlink', path: long, linkPath: long });
    expect(second).toMatchObject({ uid: 4_000_000_000 });
    expect(third).toMatchObject({ path: 'pax', uid: 3_000_000_000, mtime: 12.5 });
    expect(third?.xattrs.get('user.a')?.toString()).toBe('b');
  });

  test('a size in a PAX header counts, so that no file hides inside another', async () => {
    const inner = writeTar([{ path: 'hidden' }]).subarray(0, 512);
    const pax = Buffer.from('12 size=512\n');
    const archive = Buffer.concat([header('x', 'p', pax.length), padded(pax), header('0', 'outer', 0), inner, end]);
    const entries = await readAll(archive);
    expect(entries.map(({ path }) => path)).toEqual(['outer']);
    expect(entries[0]?.content.equals(inner)).toBe(true);
  });

  test('archives of GNU tar in each of its formats', async () => {
    for (const format of ['v7', 'ustar', 'gnu', 'pax']) {
      const directory = new URL('.', import.meta.url).pathname;
      const archive = execFileSync('tar', ['-c', `--format=${format}`, '-C', directory, 'testing', 'errors.ts']);
      const entries = await readAll(archive);
      expect(entries.at(0)).toMatchObject({ type: 'directory', path: 'testing/' });
      expect(entries.at(-1)).toMatchObject({ type: 'file', path: 'errors.ts' });
    }
  });

  test('an archive may end without blocks of zeros, or be empty', async () => {
    expect(await readAll(nothing)).toEqual([]);
    expect(await readAll(header('0', 'a', 0))).toHaveLength(1);
    expect(await readAll(Buffer.concat([header('0', 'a', 0), end.subarray(512)]))).toHaveLength(1);
  });
});

describe('a damaged archive is an error, never fewer files', () => {
  const good = writeTar([{ path: 'a', content: 'x'.repeat(2000) }]);
  const pax = (text: string) =>
    Buffer.concat([header('x', 'p', text.length), padded(Buffer.from(text)), header('0', 'a', 0)]);
  test.each<[string, Buffer]>([
    ['cut off in a header', good.subarray(0, 300)],
    ['cut off in the content', good.subarray(0, 1000)],
    ['cut off in the padding', good.subarray(0, 512 + 2010)],
    ['a wrong checksum', Buffer.concat([Buffer.from('b'), good.subarray(1)])],
    ['something behind the end', Buffer.concat([good, Buffer.from('more')])],
    ['an entry behind a block of zeros', Buffer.concat([Buffer.alloc(512), good])],
    ['an unknown type', header('Z', 'a', 0)],
    ['a sparse file', header('S', 'a', 0)],
    ['a sparse file of PAX', pax('22 GNU.sparse.major=1\n')],
    ['an extended header of 8 GiB', header('x', 'p', 8 * 1024 ** 3 - 1)],
    ['a long name of 8 GiB', header('L', 'p', 8 * 1024 ** 3 - 1)],
    ['an extended header without an entry', Buffer.concat([header('x', 'p', 0), end])],
    ['a record without a length', pax('x path=b\n')],
    ['a record that is too long', pax('99 path=b\n')],
    ['a record that is too short', pax('3 path=b\n')],
    ['a record without a value', pax('7 path\n')],
    ['a size that is no number', pax('11 size=-1\n')],
    ['an owner out of range', pax('18 uid=4294967295\n')],
    ['letters as a number', fixChecksum(Buffer.from(header('0', 'a', 0).fill('zzz', 100, 103)))],
    ['a negative size', fixChecksum(header('0', 'a', 0).fill(0xff, 124, 136))],
    ['HTML', Buffer.from('<!doctype html>'.padEnd(1024))],
  ])('%s', async (_, archive) => {
    await expect(readAll(archive)).rejects.toBeInstanceOf(TarError);
  });

  test('bytes at random never do anything worse', async () => {
    const mutation = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 10 }), async (mutations) => {
        const archive = Buffer.from(writeTar(sample));
        for (const { at, byte } of mutations) archive[at] = byte;
        await readAll(archive).catch((error) => expect(error).toBeInstanceOf(TarError));
      }),
      { numRuns: 300 },
    );
  });
});

const sample: TarInput[] = [
  { path: 'a', pax: { path: 'b', mtime: '1.5' }, content: 'x'.repeat(700) },
  { type: 'symlink', path: 'l', linkPath: 'l'.repeat(200) },
];

function fixChecksum(block: Buffer): Buffer {
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
