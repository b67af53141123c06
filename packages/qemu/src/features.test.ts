import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkQemu } from './features.ts';
import { findQemu } from './programs.ts';
import { QemuDriver } from './qemu-driver.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'features-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The QEMU of this machine, with something changed in what it says. */
async function changed(filter: string): Promise<string> {
  const path = join(directory, 'qemu');
  writeFileSync(path, `#!/bin/sh\n${await findQemu('amd64', {})} "$@" | sed '${filter}'\n`);
  chmodSync(path, 0o755);
  return path;
}

test.each(['amd64', 'arm64'] as const)(
  'the QEMU of this machine for %s has all that is needed',
  async (architecture) => {
    await checkQemu(await findQemu(architecture, {}));
  },
);

test.each([
  ['s/version 7\\.2/version 7.1/', 'version 7.1, and 7.2 is the oldest'],
  ['s/version.*//', 'does not tell its version'],
  ['/vhost-user-fs-pci/d', 'built without vhost-user-fs-pci'],
  ['/^user$/d', 'without user networking'],
])('a QEMU that is unfit (%s) is named, with the reason and what to do', async (filter, reason) => {
  const program = await changed(filter);
  const unfit = { code: 'UNAVAILABLE', subject: program, message: expect.stringContaining(reason) };
  await expect(checkQemu(program)).rejects.toMatchObject({ ...unfit, remedy: expect.stringContaining('QEMU 7.2') });
});

test('a program that is broken makes the driver unavailable', async () => {
  const program = await changed('s/x/x/');
  writeFileSync(program, '#!/bin/sh\nexit 3\n');
  const programs = { qemu: { amd64: program, arm64: program } };
  expect(await new QemuDriver({ programs }).availability()).toMatchObject({
    available: false,
    reason: expect.stringContaining(program),
    remedy: expect.any(String),
  });
});
