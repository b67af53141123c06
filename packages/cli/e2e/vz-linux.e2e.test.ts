import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { zlayer } from './zlayer.ts';

const PROGRAM = join(import.meta.dirname, 'vz-zlayer.ts');

describe.skipIf(process.platform === 'darwin')('zlayer on a Mac, over the double of its framework', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-cli-'));
    served = await serveBusybox({ architectures: ['arm64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const run = (entitlements: string, ...args: string[]) =>
    zlayer(
      ['run', '--rm', '--quiet', '--data-dir', dataDir, '--platform', 'linux/arm64', served.images.plain, ...args],
      { VZ_DOUBLE_ENTITLEMENTS: entitlements },
      PROGRAM,
    );

  it('runs a container in the foreground, and nothing of it is left', async () => {
    await using hello = run('com.apple.security.virtualization', 'sh', '-c', 'echo hi; uname -m; exit 7');
    expect(await hello.finished()).toEqual({ code: 7, stdout: 'hi\naarch64\n', stderr: '' });
    expect(await readdir(join(dataDir, 'vz-linux', 'containers'))).toEqual([]);
  });

  it('says in a sentence what is missing, and what to do', async () => {
    await using refused = run('', 'true');
    const { code, stderr } = await refused.finished();
    expect(code).toBe(125);
    expect(stderr).toMatch(/entitlement/);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    expect(await readdir(join(dataDir, 'vz-linux', 'containers'))).toEqual([]);
  });
});
