import { join } from 'node:path';
import { readmeBlock, runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

test("the README's first example runs and prints what the README says", async () => {
  const directory = join(import.meta.dirname, '..');
  const result = await runReadmeExample(directory);
  expect(result).toEqual({ code: 0, stdout: await readmeBlock(join(directory, 'README.md'), 'text'), stderr: '' });
});
