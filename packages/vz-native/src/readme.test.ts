import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

it.skipIf(process.platform === 'darwin')('the example in the README tells where there is nothing to run', async () => {
  const result = await runReadmeExample(root);
  const reason = `Virtualization.framework is a part of macOS, and this is ${process.platform}\n`;
  expect(result).toEqual({ code: 0, stdout: reason, stderr: '' });
});

it.skipIf(process.platform === 'darwin')('the example in the README runs where there is a host program', async () => {
  const program = JSON.stringify(join(root, 'native/build/Release/vz-host'));
  const result = await runReadmeExample(root, {
    replace: { 'vzHostPath())': `${program})` },
    env: { VZ_DOUBLE_ENTITLEMENTS: 'com.apple.security.virtualization' },
  });
  expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('entitled: true'), stderr: '' });
});
