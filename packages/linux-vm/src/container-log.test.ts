import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonFileLog } from '@zlayer/host';
import type { LogOptions } from '@zlayer/runtime-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readContainerLog } from './container-log.ts';

describe('readContainerLog', () => {
  let directory: string;
  const path = (): string => join(directory, 'container.log');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-log-'));
    const log = await JsonFileLog.open(path());
    for (let second = 0; second < 6; second += 1) {
      const stream = second % 3 === 0 ? 'stderr' : 'stdout';
      await log.write(stream, Buffer.from(`${second}\n`), { time: new Date(1000 * second) });
    }
    await log.close();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const read = async (options: LogOptions): Promise<string> => {
    let text = '';
    for await (const { data } of readContainerLog(path(), Promise.resolve(), options)) text += Buffer.from(data);
    return text.replaceAll('\n', ' ').trim();
  };

  it.each<[LogOptions, string]>([
    [{}, '0 1 2 3 4 5'],
    [{ tail: 2 }, '4 5'],
    [{ tail: 2, stdout: false }, '0 3'],
    [{ tail: 1, stderr: false, until: new Date(3000) }, '2'],
    [{ since: new Date(2000), until: new Date(4000) }, '2 3'],
    [{ tail: 0 }, ''],
    [{ tail: 3, stderr: false, follow: true }, '2 4 5'],
  ])('%j gives %s', async (options, expected) => {
    expect(await read(options)).toBe(expected);
  });

  it('refuses what is no cursor', async () => {
    await expect(read({ cursor: 'x' })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
  });
});
