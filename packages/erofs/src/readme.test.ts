import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readmeBlock, runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';
import { expectClean } from './testing/erofs-utils.ts';
import { ImageReader } from './testing/image-reader.ts';

const PACKAGE = join(import.meta.dirname, '..');

test('the first example of the README runs, prints what the README says, and makes an image', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'erofs-readme-'));
  try {
    const result = await runReadmeExample(PACKAGE, { cwd });
    expect(result).toEqual({ code: 0, stdout: await readmeBlock(join(PACKAGE, 'README.md'), 'text'), stderr: '' });
    expect(await readdir(cwd)).toEqual(['hello.erofs']);
    const image = join(cwd, 'hello.erofs');
    await expectClean(image);
    const paths = [...new ImageReader(image).list().keys()];
    expect(paths).toEqual(['', ...['grüße', 'hello.txt', 'latest', 'null'].map(inBytes)]);
    const { stdout } = await promisify(execFile)('dump.erofs', ['--path=/hello.txt', image]);
    expect(stdout).toMatch(/Links: 2 /);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
});

function inBytes(name: string): string {
  return `/${Buffer.from(name).toString('latin1')}`;
}
