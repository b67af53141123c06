import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { availabilities, chooseRuntime, openRuntime, runtimesOf } from './runtimes.ts';

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'zlayer-runtimes-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

it('a Mac runs containers by its own framework first, Linux by libkrun; both by QEMU where that cannot', () => {
  const names = (platform: NodeJS.Platform) => runtimesOf(platform).map(({ name }) => name);
  expect(names('darwin')).toEqual(['vz-linux', 'krun', 'qemu']);
  expect(names('linux')).toEqual(['krun', 'qemu']);
  expect(names('win32')).toEqual([]);
});

it('a runtime that is named is used, wherever it is from', async () => {
  expect(await chooseRuntime('vz-linux', { dataDir })).toBe('vz-linux');
  await using runtime = await openRuntime('vz-linux', { dataDir });
  expect(runtime.name).toBe('vz-linux');
});

it('a name that is none is refused, with all that there are', async () => {
  await expect(chooseRuntime('docker', { dataDir })).rejects.toMatchObject({
    code: 'INVALID_SPEC',
    remedy: 'Use one of vz-linux, krun, qemu.',
  });
});

it.runIf(process.platform === 'linux')('what was asked for is spoken of beside what is usual here', async () => {
  expect((await availabilities(undefined, { dataDir })).map(({ name }) => name)).toEqual(['krun', 'qemu']);
  expect(await availabilities('vz-linux', { dataDir })).toMatchObject([
    { name: 'vz-linux', availability: { available: false, remedy: 'Use @zlayer/qemu here.' } },
    { name: 'krun' },
    { name: 'qemu' },
  ]);
});
