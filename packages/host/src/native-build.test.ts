import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('a build without a C compiler says which package needs one, and what to install', () => {
  const script = fileURLToPath(new URL('../build/native.ts', import.meta.url));
  const env = { ...process.env, CC: '/nowhere/cc' };
  const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
  expect(status).not.toBe(0);
  expect(stderr).toContain('@zlayer/host needs a C compiler to build zlayer-host, and /nowhere/cc cannot be run');
  expect(stderr).toContain('apt-get install build-essential');
});
