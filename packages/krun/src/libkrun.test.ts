import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { landlockVersion } from '@zlayer/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileLibkrun } from '../test/libkrun-double.ts';
import { KrunDriver } from './krun-driver.ts';
import { krunHostPath } from './krun-host-path.ts';
import { hypervisorFault } from './kvm.ts';
import { installRemedy, probeLibkrun } from './libkrun.ts';
import { hasDefaultRoute } from './passt.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'krun-library-'));
  chmodSync(directory, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true }));

const library = (name: string, macros: string[] = []): Promise<string> =>
  compileLibkrun(join(directory, `${name}.so`), macros);
const probe = (path?: string): Promise<unknown> => probeLibkrun(krunHostPath(), { library: path });

describe('a libkrun', () => {
  it.each([
    [19, { version: '1.19', readOnlyShares: true, diskModes: true, ownInit: true }],
    [18, { version: '1.18', readOnlyShares: true, diskModes: true, ownInit: false }],
    [17, { version: '1.17', readOnlyShares: false, diskModes: false, ownInit: false }],
  ])('of version 1.%i is used as far as it goes', async (version, able) => {
    const path = await library(String(version), [`KRUN_DOUBLE_VERSION=${version}`]);
    expect(await probe(path)).toEqual({
      library: path,
      net: true,
      blk: true,
      gpu: false,
      jail: landlockVersion() > 0,
      maxCpus: 255,
      ...able,
    });
  });

  it('that is too old is refused with what it lacks', async () => {
    await expect(probe(await library('16', ['KRUN_DOUBLE_VERSION=16']))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/older than version 1\.17: it has no krun_has_feature/),
    });
  });

  it('that crashes when it is loaded ends a process of its own, and this one is told', async () => {
    const path = await library('crash', ['KRUN_DOUBLE_CRASHES']);
    const refused = { code: 'UNAVAILABLE', message: expect.stringContaining('crashes when it is loaded (SIGABRT)') };
    await expect(probe(path)).rejects.toMatchObject(refused);
    const { available } = await new KrunDriver({ library: path, needsKvm: false }).availability();
    expect(available).toBe(false);
  });

  it('that is none, or not there, is refused with what to install', async () => {
    const text = join(directory, 'text.so');
    writeFileSync(text, 'no library');
    for (const path of [text, '/nowhere/libkrun.so']) {
      await expect(probe(path)).rejects.toMatchObject({
        subject: path,
        remedy: expect.stringContaining('ZLAYER_LIBKRUN'),
      });
    }
    expect(await new KrunDriver({ hostProgram: '/nowhere/krun-host' }).availability()).toMatchObject({
      available: false,
    });
    expect(installRemedy('darwin')).toContain('brew install libkrun');
    expect(installRemedy('linux')).toContain('ZLAYER_LIBKRUN');
  });

  it('that was built without network devices promises no network, also where passt is installed', async ({ skip }) => {
    skip(landlockVersion() < 1, 'this kernel has no Landlock');
    const driver = (path: string): KrunDriver =>
      new KrunDriver({ library: path, needsKvm: false, passt: process.execPath });
    expect(await driver(await library('net')).availability()).toMatchObject({
      notes: [
        expect.any(String),
        (await hasDefaultRoute()) ? 'network by passt' : expect.stringContaining('no default route'),
      ],
    });
    expect(await driver(await library('no-net', ['KRUN_DOUBLE_NET=0'])).availability()).toMatchObject({
      notes: [expect.any(String), expect.stringContaining('built without network devices')],
    });
  });

  it('that was built without disks is refused, before a container is made on it', async () => {
    const path = await library('no-blk', ['KRUN_DOUBLE_BLK=0']);
    expect(await new KrunDriver({ library: path, needsKvm: false }).availability()).toMatchObject({
      available: false,
      reason: expect.stringContaining('without disks'),
    });
  });

  it('is the one that the environment names', async () => {
    const path = await library('named');
    const env = { ...process.env, ZLAYER_LIBKRUN: path };
    expect(await probeLibkrun(krunHostPath(), { env })).toMatchObject({ library: path });
  });

  it('is of no use to somebody who may not use the hypervisor, who is told so', async () => {
    // The same program as nobody: /dev/kvm belongs to root and a group.
    const source = join(import.meta.dirname, 'kvm.ts');
    const script = `const { hypervisorFault } = await import(${JSON.stringify(source)}); console.log(JSON.stringify(await hypervisorFault()));`;
    const as = ['--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    const run = [process.execPath, '--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)('setpriv', [...as, ...run], { cwd: '/' });
    expect(JSON.parse(stdout)).toMatchObject({ reason: expect.stringMatching(/may not use|there is no/) });
    expect(await hypervisorFault('darwin')).toBeUndefined();
  });
});
