import { join } from 'node:path';
import { readmeBlock, runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

const README = join(import.meta.dirname, '..', 'README.md');

test('the first example of the README runs and prints what the README says', async () => {
  const result = await runReadmeExample(join(import.meta.dirname, '..'));
  expect(result).toEqual({ code: 0, stdout: await readmeBlock(README, 'text'), stderr: '' });
});
