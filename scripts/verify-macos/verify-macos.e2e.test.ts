import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('the script for Macs finds nothing to report, over the double of the framework', async () => {
  const script = join(import.meta.dirname, 'main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--double'], { timeout: 110_000 });
  expect(stdout.split('\n').filter((line) => line.includes('| ok '))).toHaveLength(13);
  expect(stdout).not.toContain('FAILED');
});
