import { describe, expect, it } from 'vitest';
import { writeCpio } from './cpio.ts';
import type { InitramfsEntry } from './entry.ts';

interface Member {
  name: string;
  inode: number;
  mode: number;
  mtime: number;
  device: string;
  data: string;
}

/** Reads an archive as the kernel does: names and data at multiples of four, up to the trailer. */
function readCpio(archive: Uint8Array): Member[] {
  const bytes = Buffer.from(archive);
  const members: Member[] = [];
  let next = 0;
  for (;;) {
    const at = next;
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701');
    const number = (index: number): number =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + number(11);
    const name = bytes.toString('utf8', at + 110, nameEnd - 1);
    const dataAt = (nameEnd + 3) & ~3;
    const dataEnd = dataAt + number(6);
    next = (dataEnd + 3) & ~3;
    if (name === 'TRAILER!!!') {
      expect(next).toBe(bytes.length);
      return members;
    }
    expect([number(2), number(3), number(12)]).toEqual([0, 0, 0]);
    const data = bytes.toString('utf8', dataAt, dataEnd);
    members.push({
      name,
      inode: number(0),
      mode: number(1),
      mtime: number(5),
      device: `${number(9)}:${number(10)}`,
      data,
    });
  }
}

const entries: InitramfsEntry[] = [
  { type: 'file', path: 'init', data: Buffer.from('program'), mode: 0o755 },
  { type: 'directory', path: 'dev' },
  { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  { type: 'directory', path: 'lib' },
  { type: 'file', path: 'lib/größe', data: Buffer.from('x') },
  { type: 'file', path: 'lib-empty', data: new Uint8Array() },
  { type: 'symlink', path: 'bin', target: 'usr/bin' },
];

describe('writeCpio', () => {
  it('writes every kind of entry so that a kernel can read it', () => {
    expect(readCpio(writeCpio(entries))).toEqual([
      { name: 'bin', inode: 1, mode: 0o120777, mtime: 0, device: '0:0', data: 'usr/bin' },
      { name: 'dev', inode: 2, mode: 0o040755, mtime: 0, device: '0:0', data: '' },
      { name: 'dev/console', inode: 3, mode: 0o020600, mtime: 0, device: '5:1', data: '' },
      { name: 'init', inode: 4, mode: 0o100755, mtime: 0, device: '0:0', data: 'program' },
      { name: 'lib', inode: 5, mode: 0o040755, mtime: 0, device: '0:0', data: '' },
      { name: 'lib/größe', inode: 6, mode: 0o100644, mtime: 0, device: '0:0', data: 'x' },
      { name: 'lib-empty', inode: 7, mode: 0o100644, mtime: 0, device: '0:0', data: '' },
    ]);
  });

  it('gives the same bytes for the same entries in any order', () => {
    expect(writeCpio([...entries].reverse())).toEqual(writeCpio(entries));
  });

  it.each([
    ['/init', 'plain relative path'],
    ['', 'plain relative path'],
    ['dev/../init', 'plain relative path'],
    ['dev//null', 'plain relative path'],
    ['dev/\0', 'plain relative path'],
    ['TRAILER!!!', "archive's end"],
    ['init', 'twice'],
    ['missing/file', 'needs an entry for its folder'],
    ['init/file', 'needs an entry for its folder'],
    ['x'.repeat(4096), 'longer than'],
  ])('refuses the path %j', (path, fault) => {
    const extra: InitramfsEntry = { type: 'file', path, data: new Uint8Array() };
    expect(() => writeCpio([...entries, extra])).toThrowError(
      expect.objectContaining({ code: 'INVALID_SPEC', subject: path, message: expect.stringContaining(fault) }),
    );
  });
});
