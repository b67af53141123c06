import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noteUse, removeOldBundles } from './old-bundles.ts';

const HOUR = 60 * 60 * 1000;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'old-bundles-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const nameOf = (digit: number, suffix = '') => `sha256-${String(digit).repeat(64)}${suffix}`;

async function bundle(name: string, hoursAgo: number): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, 'Image'), name);
  const used = new Date(Date.now() - hoursAgo * HOUR);
  await utimes(join(folder, name), used, used);
}

describe('removeOldBundles', () => {
  it('frees the disk of all but the three newest bundles and those used within a day', async () => {
    for (let i = 1; i <= 6; i++) await bundle(nameOf(i), i * 10);
    await noteUse(join(folder, nameOf(6)));
    await removeOldBundles(folder);
    // 6 is the newest now, then 1 and 2; 3 to 5 are older than a day.
    expect((await readdir(folder)).sort()).toEqual([nameOf(1), nameOf(2), nameOf(6)]);
  });

  it('keeps any number of bundles that machines may be about to boot from', async () => {
    for (let i = 1; i <= 6; i++) await bundle(nameOf(i), i);
    await removeOldBundles(folder);
    expect(await readdir(folder)).toHaveLength(6);
  });

  it('removes what broken processes left, not what one is at work on, and nothing else', async () => {
    await bundle(nameOf(1, '.partial-old'), 30);
    await bundle(nameOf(2, '.removed-old'), 30);
    await bundle(nameOf(3, '.partial-new'), 1);
    await bundle('somebody-elses', 1000);
    await removeOldBundles(folder);
    expect((await readdir(folder)).sort()).toEqual([nameOf(3, '.partial-new'), 'somebody-elses']);
  });

  it('leaves a bundle whole or not there, with many at it at once, and never one whose use was noted', async () => {
    for (let i = 1; i <= 9; i++) await bundle(nameOf(i), 30 + i);
    const used = [7, 8, 9].map((digit) => nameOf(digit));
    await Promise.all(used.map((name) => noteUse(join(folder, name))));
    await Promise.all(Array.from({ length: 8 }, () => removeOldBundles(folder)));
    expect((await readdir(folder)).sort()).toEqual(used);
    for (const name of used) expect(await readFile(join(folder, name, 'Image'), 'utf8')).toBe(name);
    await noteUse(join(folder, nameOf(1)));
    expect(await readdir(folder)).toHaveLength(3);
  });
});
