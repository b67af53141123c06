import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { askCredentialHelper } from './credential-helper.ts';

test('a helper that never answers is ended, and the error says so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-helper-'));
  try {
    await writeFile(join(directory, 'docker-credential-mute'), '#!/bin/sh\nexec sleep 30\n', { mode: 0o755 });
    vi.stubEnv('PATH', `${directory}:${process.env['PATH']}`);
    const failure = await askCredentialHelper('mute', 'a.example', { timeout: 200 }).catch((error) => error);
    expect(failure).toMatchObject({ reason: 'CREDENTIALS_FAILED' });
    expect(failure.message).toContain('longer than 200 ms');
  } finally {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  }
});
