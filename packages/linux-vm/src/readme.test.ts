import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

test("the README's first example runs", async () => {
  const result = await runReadmeExample(join(import.meta.dirname, '..'));
  expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/^my-vmm \{\s+available: false/), stderr: '' });
});
