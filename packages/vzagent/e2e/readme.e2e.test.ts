import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

test("the README's first example runs", async () => {
  const { code, stdout } = await runReadmeExample(join(import.meta.dirname, '..'));
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(
      /^kernel {4}\/.*vmlinuz\ninitramfs \/.*\.cpio\narguments panic=-1 .* rootfstag=rootfs\n$/,
    ),
  });
});
