import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

test("the README's first example runs", async () => {
  const { code, stdout, stderr } = await runReadmeExample(join(import.meta.dirname, '..'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain("pullPolicy: 'ifNotPresent'");
  expect(stdout).toMatch(/^INVALID_SPEC .*resources\.memory/m);
});
