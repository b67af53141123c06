import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveBusybox } from '@zlayer/test-images';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, it } from 'vitest';
import { DOUBLE } from './double.ts';

const root = join(import.meta.dirname, '..');

it('the example in the README says hi from a container', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-readme-'));
  const served = await serveBusybox({ architectures: [DOUBLE.architecture], images: { plain: {} } });
  try {
    const result = await runReadmeExample(root, {
      replace: {
        'new VzLinuxRuntime()': `new VzLinuxRuntime(${JSON.stringify({ ...DOUBLE, dataDir })})`,
        "image: 'alpine'": `image: '${served.images.plain}', platform: 'linux/${DOUBLE.architecture}'`,
      },
    });
    expect(result).toEqual({ code: 0, stdout: 'hi\n', stderr: '' });
  } finally {
    await served[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  }
});

it.skipIf(process.platform === 'darwin')('the example in the README says why it cannot, elsewhere', async () => {
  const { code, stdout } = await runReadmeExample(root);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `Virtualization.framework is a part of macOS, and this is ${process.platform}. Use @zlayer/qemu here.\n`,
  });
});
