import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { runReadmeExample } from '@zlayer/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PACKAGE = join(import.meta.dirname, '..');

describe('the first example', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-readme-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const run = (readme: string): ReturnType<typeof runReadmeExample> =>
    runReadmeExample(PACKAGE, { readme, env: { IMAGE: served.images.plain, ZLAYER_DATA_DIR: dataDir } });

  it("of the workspace's README prints what it says", async () => {
    const { code, stdout, stderr } = await run(join(PACKAGE, '..', '..', 'README.md'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^hello from Linux on (x86_64|aarch64)\n\{ reason: 'exited', exitCode: 0 \}\n$/);
  });

  it("of this package's README runs", async () => {
    const { code, stdout, stderr } = await run(join(PACKAGE, 'README.md'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Linux version 6\..*\n\{ reason: 'exited', exitCode: 0 \} booted in \d+ ms\n$/);
  });
});
