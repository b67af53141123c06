import { join } from 'node:path';
import { runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';

test('the example in the README runs as it stands', async () => {
  const result = await runReadmeExample(join(import.meta.dirname, '..'));
  expect(result).toEqual({
    code: 0,
    stdout: [
      'false storage[0]: read-only (deny file-write* (subpath (param "FOLDER_0")))',
      '[',
      "  '-D',",
      "  'FOLDER_0=/Users/me/project',",
      "  '-D',",
      "  'ROOTFS=/private/var/app/rootfs',",
      "  '-D',",
      "  'WORKSPACE=/private/var/app/tmp',",
      "  '--',",
      "  '/bin/ls'",
      ']',
      '',
    ].join('\n'),
    stderr: '',
  });
});
