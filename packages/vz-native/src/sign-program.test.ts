import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signProgram } from './sign-program.ts';
import { entitlementsPath } from './vz-host-path.ts';

/** Records its arguments, refuses when told to, and signs as far as a test can see. */
const CODESIGN = `#!/bin/sh
echo "$@" >> "$0.calls"
if [ -f "$0.refuses" ]; then cat "$0.refuses" >&2; exit 1; fi
for file; do :; done
echo signed >> "$file"
`;

describe('signProgram', () => {
  let directory: string;
  let codesign: string;
  let program: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vz-sign-'));
    codesign = join(directory, 'codesign');
    program = join(directory, 'vz-host');
    await writeFile(codesign, CODESIGN, { mode: 0o755 });
    await writeFile(program, 'program\n', { mode: 0o755 });
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('signs ad hoc, with the entitlement without which no machine starts', async () => {
    await signProgram(program, { codesign });
    const [call = ''] = (await readFile(`${codesign}.calls`, 'utf8')).split('\n');
    expect(call).toMatch(new RegExp(`^--force --sign - --entitlements ${entitlementsPath()} ${program}\\.`));
    expect(await readFile(entitlementsPath(), 'utf8')).toContain('<key>com.apple.security.virtualization</key>');
    expect(await readFile(program, 'utf8')).toBe('program\nsigned\n');
  });

  it('leaves one whole program when many processes sign at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => signProgram(program, { codesign })));
    expect(await readFile(program, 'utf8')).toMatch(/^program\n(signed\n)+$/);
    expect((await readdir(directory)).sort()).toEqual(['codesign', 'codesign.calls', 'vz-host']);
  });

  it('says what codesign said, and leaves the program as it was', async () => {
    await writeFile(`${codesign}.refuses`, 'errSecInternalComponent');
    await expect(signProgram(program, { codesign })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      subject: program,
      message: expect.stringContaining('errSecInternalComponent'),
      remedy: expect.stringContaining('policy'),
    });
    expect(await readFile(program, 'utf8')).toBe('program\n');
    expect((await readdir(directory)).sort()).toEqual(['codesign', 'codesign.calls', 'codesign.refuses', 'vz-host']);
  });

  it('names the missing codesign', async () => {
    await expect(signProgram(program, { codesign: join(directory, 'none') })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      remedy: expect.stringContaining('Mac'),
    });
  });

  it('names a program that cannot be written', async () => {
    await chmod(codesign, 0o644);
    await expect(signProgram(program, { codesign })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      remedy: expect.stringContaining('cannot be written'),
    });
  });
});
