import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expectClean } from './testing/erofs-utils.ts';

const run = promisify(execFile);
const PROGRAM = join(import.meta.dirname, 'testing/stream-file.ts');

let folder: string;
let image: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'erofs-resources-'));
  image = join(folder, 'image');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a gigabyte streams through in a few megabytes of memory', async () => {
  const { stdout } = await run(process.execPath, [PROGRAM, image, '1024', '0', '0']);
  expect(statSync(image).size).toBeGreaterThan(2 ** 30);
  expect(JSON.parse(stdout).grownMegabytes).toBeLessThan(64);
}, 60_000);

test('memory grows with the number of files, not with what is in them', async () => {
  const grown: number[] = [];
  for (const size of ['1', '2000']) {
    const { stdout } = await run(process.execPath, [PROGRAM, image, '0', '50000', size]);
    grown.push(JSON.parse(stdout).grownMegabytes);
  }
  expect(statSync(image).size).toBeGreaterThan(100e6);
  const [small = 0, large = 0] = grown;
  expect(large - small).toBeLessThan(40);
  await expectClean(image);
}, 60_000);

test('a disk that is full is an error, and leaves no file behind', async () => {
  // A limit on the size of files stands for a disk that is full: writes fail half-way.
  const script = `ulimit -f 4096; exec "$0" "$@"`;
  const { stdout } = await run('bash', ['-c', script, process.execPath, PROGRAM, image, '64', '10', '1000']);
  expect(JSON.parse(stdout)).toMatchObject({
    code: 'IO',
    message: expect.stringContaining('could not write the image'),
  });
  expect(readdirSync(folder)).toEqual([]);
});
