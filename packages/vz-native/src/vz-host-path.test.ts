import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entitlementsPath, vzHostPath } from './vz-host-path.ts';

describe.skipIf(process.platform === 'darwin')('vzHostPath', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vz-host-path-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('says on another system what is missing there', () => {
    expect(() => vzHostPath('linux')).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', remedy: expect.any(String) }),
    );
  });

  it('finds what was built or prebuilt on a Mac, and says how to come by it where there is none', async () => {
    expect(() => vzHostPath('darwin', folder)).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', remedy: expect.stringContaining('Install') }),
    );
    for (const place of [`prebuilds/darwin-${process.arch}`, 'build/Release']) {
      const program = join(folder, place, 'vz-host');
      await mkdir(join(folder, place), { recursive: true });
      await writeFile(program, '', { mode: 0o755 });
      expect(vzHostPath('darwin', folder)).toBe(program);
    }
  });

  it('has the entitlements beside it', async () => {
    expect((await stat(entitlementsPath())).isFile()).toBe(true);
  });
});
