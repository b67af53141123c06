import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveBusybox } from '@zlayer/test-images';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, it } from 'vitest';
import { krunDouble, withoutJail } from './double.ts';

const root = join(import.meta.dirname, '..');

it('the example in the README says hi from a container', async ({ skip }) => {
  skip(withoutJail !== undefined, withoutJail);
  const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-readme-'));
  const served = await serveBusybox({ architectures: ['arm64'], images: { plain: {} } });
  try {
    const double = await krunDouble(dataDir);
    const result = await runReadmeExample(root, {
      replace: {
        'new KrunRuntime()': `new KrunRuntime(${JSON.stringify({ ...double, dataDir })})`,
        "image: 'alpine'": `image: '${served.images.plain}', platform: 'linux/arm64'`,
      },
    });
    expect(result).toEqual({ code: 0, stdout: 'hi\n', stderr: '' });
  } finally {
    await served[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  }
});

it('the example in the README says what to install where there is no libkrun', async () => {
  const { code, stdout } = await runReadmeExample(root, { env: { ZLAYER_LIBKRUN: '/nowhere/libkrun.so' } });
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/\/nowhere\/libkrun\.so cannot be loaded: .*Correct ZLAYER_LIBKRUN/),
  });
});
