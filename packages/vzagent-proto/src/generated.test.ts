import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { generatedFiles } from '../generate/generated-files.ts';

const files = await generatedFiles();

test.each(files)('the agent and the README follow the schema: $path', async ({ path, content }) => {
  const remedy = `${basename(path)} is stale: run pnpm --filter @zlayer/vzagent-proto generate`;
  expect(await readFile(path, 'utf8'), remedy).toBe(content);
});
