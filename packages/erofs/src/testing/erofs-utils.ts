import { execFile } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { ErofsError } from '../erofs-error.ts';

const run = promisify(execFile);

/** Expects `fsck.erofs` to find nothing wrong, reading every block of every file. */
export async function expectClean(image: string): Promise<void> {
  expect((await run('fsck.erofs', ['--extract', image])).stderr).toBe('');
}

/** As `expectClean`, but without reading contents: `fsck.erofs` cannot read files of gigabytes. */
export async function expectSound(image: string): Promise<void> {
  expect((await run('fsck.erofs', [image])).stderr).toBe('');
}

/** What `dump.erofs` prints. */
export async function dump(...args: string[]): Promise<string> {
  return (await run('dump.erofs', args)).stdout;
}

/** One entry as extracted by `fsck.erofs`; hard links and extended attributes do not survive that. */
export interface Extracted {
  type: string;
  /** Without setuid and setgid, which the extraction loses. */
  mode: string;
  owner: string;
  mtime: string;
  content: string;
}

/** Lets `fsck.erofs` extract an image and lists what it made. */
export async function extract(image: string): Promise<Map<string, Extracted>> {
  const folder = await mkdtemp(join(tmpdir(), 'erofs-extract-'));
  try {
    await run('fsck.erofs', [`--extract=${folder}`, '--overwrite', image]);
    const list = new Map<string, Extracted>();
    const visit = (path: Buffer, name: string): void => {
      const status = lstatSync(path, { bigint: true });
      list.set(name, {
        type: typeOf(Number(status.mode)),
        mode: (Number(status.mode) & 0o1777).toString(8),
        owner: `${status.uid}:${status.gid}`,
        mtime: `${status.mtimeNs / 1_000_000_000n}.${String(status.mtimeNs % 1_000_000_000n).padStart(9, '0')}`,
        content: status.isFile()
          ? readFileSync(path, 'latin1')
          : status.isSymbolicLink()
            ? readlinkSync(path, 'latin1')
            : status.isCharacterDevice() || status.isBlockDevice()
              ? deviceOf(Number(status.rdev))
              : '',
      });
      if (!status.isDirectory()) return;
      for (const entry of readdirSync(path, { encoding: 'buffer' })) {
        visit(Buffer.concat([path, Buffer.from('/'), entry]), `${name}/${entry.toString('latin1')}`);
      }
    };
    visit(Buffer.from(folder), '');
    return list;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Expects a rejection with an `ErofsError`. */
export async function expectError(action: () => unknown, code: string, entry?: string): Promise<ErofsError> {
  const error = await Promise.resolve()
    .then(action)
    .then(
      () => expect.fail(`no ${code}`),
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(ErofsError);
  if (!(error instanceof ErofsError)) throw error;
  expect({ code: error.code, entry: error.entry }).toEqual({ code, entry });
  if (entry !== undefined) expect(error.message).toContain(entry);
  return error;
}

function typeOf(mode: number): string {
  const types: Record<number, string> = {
    8: 'file',
    4: 'directory',
    10: 'symlink',
    2: 'character-device',
    6: 'block-device',
    1: 'fifo',
    12: 'socket',
  };
  return types[mode >> 12] ?? 'unknown';
}

function deviceOf(rdev: number): string {
  return `${(rdev & 0xfff00) >> 8},${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
}
