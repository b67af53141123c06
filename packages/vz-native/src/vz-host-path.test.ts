import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { entitlementsPath, vzHostPath } from './vz-host-path.ts';

const prebuilds = join(import.meta.dirname, '../prebuilds');

describe.skipIf(process.platform === 'darwin')('vzHostPath', () => {
  afterEach(() => rm(prebuilds, { recursive: true, force: true }));

  it('says on another system what is missing there', () => {
    expect(() => vzHostPath('linux')).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', remedy: expect.any(String) }),
    );
  });

  it('finds the prebuilt program on a Mac, and says how to build one where there is none', async () => {
    expect(() => vzHostPath('darwin')).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', remedy: expect.stringContaining('xcode-select') }),
    );
    const program = join(prebuilds, `darwin-${process.arch}`, 'vz-host');
    await mkdir(join(program, '..'), { recursive: true });
    await writeFile(program, '', { mode: 0o755 });
    expect(vzHostPath('darwin')).toBe(program);
  });

  it('has the entitlements beside it', async () => {
    expect((await stat(entitlementsPath())).isFile()).toBe(true);
  });
});
