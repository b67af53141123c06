import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeVolume } from './make-volume.ts';

describe('makeVolume', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-volume-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('makes a clean file system of the whole size that takes hardly any room', async () => {
    const path = join(directory, 'large.ext4');
    await makeVolume(path, 64 * 1024 ** 3);
    const { size, blocks } = await stat(path);
    expect(size).toBe(64 * 1024 ** 3);
    expect(blocks * 512).toBeLessThan(8 * 1024 ** 2);
    execFileSync('/usr/sbin/e2fsck', ['-fn', path]);
  });

  it('leaves nothing when it is given up or asked for too little', async () => {
    const path = join(directory, 'none.ext4');
    await expect(makeVolume(path, 1024)).rejects.toMatchObject({ code: 'INVALID_SPEC' });
    await expect(makeVolume(path, 1024 ** 3, { signal: AbortSignal.abort(new Error('never mind')) })).rejects.toThrow(
      'never mind',
    );
    expect((await readdir(directory)).filter((name) => name.startsWith('none'))).toEqual([]);
  });
});
