import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { kernelFormat } from './kernel-format.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'krun-kernel-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function write(name: string, bytes: Buffer): string {
  writeFileSync(join(directory, name), bytes);
  return join(directory, name);
}

/** A kernel for x86 whose compressed part begins with these bytes. */
function bzImage(payload: string): Buffer {
  const image = Buffer.alloc(4096);
  image[0x1f1] = 3;
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt32LE(0x100, 0x248);
  image.write(payload, 4 * 512 + 0x100, 'hex');
  return image;
}

it('libkrun is told how a kernel is kept in its file', async () => {
  const arm = Buffer.alloc(1024);
  arm.write('ARM\x64', 56, 'latin1');
  expect(await kernelFormat(write('arm', arm))).toBe(0);
  expect(await kernelFormat(write('elf', Buffer.from('\x7fELF....', 'latin1')))).toBe(1);
  expect(await kernelFormat(write('bz2', bzImage('425a6839')))).toBe(3);
  expect(await kernelFormat(write('gzip', bzImage('1f8b0800')))).toBe(4);
  expect(await kernelFormat(write('zstd', bzImage('28b52ffd')))).toBe(5);
});

it('a kernel that libkrun cannot load is refused with the way it is compressed, before a machine is made', async () => {
  const refused = (why: string): object => ({ code: 'INVALID_SPEC', message: expect.stringContaining(why) });
  await expect(kernelFormat(write('xz', bzImage('fd377a58')))).rejects.toMatchObject(refused('xz'));
  await expect(kernelFormat(write('other', bzImage('00000000')))).rejects.toMatchObject(refused('unknown way'));
  await expect(kernelFormat(write('text', Buffer.from('no kernel')))).rejects.toMatchObject(refused('no kernel'));
  await expect(kernelFormat(write('empty', Buffer.alloc(0)))).rejects.toMatchObject(refused('no kernel'));
  await expect(kernelFormat(join(directory, 'missing'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
