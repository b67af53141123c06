import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seatbeltAvailability } from './index.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zlayer-seatbelt-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A program in the place of `sandbox-exec`. */
async function program(script: string): Promise<string> {
  const path = join(folder, 'sandbox-exec');
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

test('where there is no sandbox-exec, the reason names the system and what to use instead', async () => {
  expect(await seatbeltAvailability({ program: join(folder, 'none') })).toEqual({
    available: false,
    reason: expect.stringContaining(process.platform),
    remedy: expect.stringContaining('Mac'),
  });
});

test('one that refuses is quoted, so that a sandbox around this program is found out', async () => {
  const refusing = await program('echo "sandbox-exec: sandbox_apply: Operation not permitted" >&2; exit 71');
  expect(await seatbeltAvailability({ program: refusing })).toMatchObject({
    available: false,
    reason: expect.stringContaining('sandbox_apply: Operation not permitted'),
  });
});

test('one that runs the command is available', async () => {
  const running = await program('while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
  expect(await seatbeltAvailability({ program: running })).toEqual({ available: true });
});

test('an abort ends the attempt', async () => {
  const slow = await program('exec sleep 60');
  const reason = new Error('enough');
  const controller = new AbortController();
  const asked = seatbeltAvailability({ program: slow, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  await expect(asked).rejects.toBe(reason);
  await expect(seatbeltAvailability({ signal: controller.signal })).rejects.toBe(reason);
});
