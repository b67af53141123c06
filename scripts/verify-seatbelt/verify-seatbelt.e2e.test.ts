import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildSandboxExec } from '../../packages/seatbelt/test/double/build.ts';
import { landlockVersion } from '../../packages/test-support/src/index.ts';

const main = join(import.meta.dirname, 'main.ts');
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zlayer-verify-test-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

it('finds nothing wrong with a sandbox-exec that enforces profiles', async ({ skip }) => {
  skip(landlockVersion() < 6, "this kernel's Landlock is older than version 6");
  const double = await buildSandboxExec(join(folder, 'sandbox-exec'), 'plain');
  const { stdout } = await promisify(execFile)(process.execPath, [main, double]);
  expect(stdout).not.toContain('FAILED');
  expect(stdout.split('\n').filter((line) => line.includes('| ok ')).length).toBeGreaterThan(15);
});

it('finds out one that runs programs and enforces nothing', async () => {
  const careless = join(folder, 'careless');
  await writeFile(careless, '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n', { mode: 0o755 });
  const result: unknown = await promisify(execFile)(process.execPath, [main, careless]).catch(
    (error: unknown) => error,
  );
  expect(result).toMatchObject({ code: 1, stdout: expect.stringContaining('| others are not read') });
  const { stdout } = result as { stdout: string };
  const failed = stdout.split('\n').filter((line) => line.includes('| FAILED |'));
  expect(failed.map((line) => line.split('|')[1]?.trim())).toEqual([
    'others are not read',
    'others are not written',
    'one in a writable folder is not written',
    'a path with quotes opens itself alone',
    'no network means none',
    'another port is not',
    'another port is not bound',
  ]);
});
