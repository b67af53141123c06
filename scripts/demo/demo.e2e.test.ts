import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

const leftovers = async (): Promise<string[]> =>
  (await readdir(tmpdir())).filter((name) => /^zlayer-(demo|layout|registry)-/.test(name));

describe('npm start', () => {
  it.each([
    [[], process.arch === 'arm64' ? 'aarch64' : 'x86_64'],
    [['--platform', 'linux/arm64'], 'aarch64'],
  ])('with %j greets from a guest, says how long it took, and cleans up', async (args, machine) => {
    const before = await leftovers();
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
    expect(stdout).toContain('Hello from a container in a virtual machine of its own.\n');
    expect(stdout).toMatch(new RegExp(`^kernel 6\\..*, architecture ${machine}, up for [\\d.]+ s$`, 'm'));
    expect(stdout).toMatch(/\npull [\d.]+ s, boot [\d.]+ s, run [\d.]+ s\n$/);
    expect(await leftovers()).toEqual(before);
  });

  it('says what is wrong with a platform', async () => {
    const demo = run(process.execPath, [join(import.meta.dirname, 'main.ts'), '--platform', 'linux/mips']);
    await expect(demo).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('linux/mips') });
  });
});
