import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';
import { pushLayout, startRegistry, writeImageLayout } from '../src/testing/index.ts';

test("the README's first example runs as it stands, but for the name of the registry", async () => {
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-readme-'));
  try {
    await using registry = await startRegistry();
    const layers = [{ content: [{ path: 'hello', content: 'hello' }] }];
    const config = { Cmd: ['/hello'], Env: ['A=b'] };
    await writeImageLayout(join(directory, 'layout'), {
      name: 'a',
      images: [{ architecture: 'arm64', layers, config }],
    });
    await pushLayout(join(directory, 'layout'), 'a', `${registry.host}/library/alpine:3.20`);
    const { code, stdout, stderr } = await runReadmeExample(join(import.meta.dirname, '..'), {
      replace: { 'docker.io/library': `${registry.host}/library` },
      cwd: directory,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/sha256:[0-9a-f]{64} done ([0-9]+)\/\1\n/);
    expect(stdout).toMatch(/\/unpacked\/sha256\/[0-9a-f]{64}\/rootfs \[\] \[ '\/hello' \] \[ 'A=b' \]\n$/);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
