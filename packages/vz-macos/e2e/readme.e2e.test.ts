import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRegistry } from '@zlayer/oci-pull/testing';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, it } from 'vitest';
import { makeDisk, pushTartImage } from '../test/tart-image.ts';

it('the example in the README makes a bundle', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-readme-'));
  await using registry = await startRegistry();
  try {
    const reference = `${registry.host}/macos:latest`;
    await pushTartImage(reference, { disk: makeDisk(4 * 1024 ** 2), chunkBytes: 1024 ** 2 });
    const result = await runReadmeExample(join(import.meta.dirname, '..'), {
      replace: { 'ghcr.io/cirruslabs/macos-sequoia-base:latest': reference, './images': directory },
    });
    expect(result).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/100 %\n.*bundles\/sha256-\w+ darwin 4194304\n$/),
      stderr: '',
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
