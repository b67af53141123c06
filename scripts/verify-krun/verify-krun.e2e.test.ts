import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { withoutJail } from '../../packages/krun/e2e/double.ts';

it('the script for machines with libkrun finds nothing to report, over the double', async ({ skip }) => {
  skip(withoutJail !== undefined, withoutJail);
  const script = join(import.meta.dirname, 'main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--double'], { timeout: 110_000 });
  expect(stdout).not.toContain('FAILED');
  expect(stdout.split('\n').filter((line) => line.includes('| ok '))).toHaveLength(10);
});
