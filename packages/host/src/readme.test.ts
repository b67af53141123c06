import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

test('the example in the README runs as it stands', async () => {
  const result = await runReadmeExample(join(import.meta.dirname, '..'));
  expect(result).toEqual({ code: 0, stdout: 'stdout hello from main\nexited 7\n', stderr: '' });
});
