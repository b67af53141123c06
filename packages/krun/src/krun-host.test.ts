import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { landlockVersion } from '@zlayer/test-support';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileKrunHost } from '../build/krun-host.ts';
import { compileLibkrun } from '../test/libkrun-double.ts';

const NO_MACHINE = 121;
/** A Mac confines processes otherwise. */
const withoutJail = process.platform === 'linux' && landlockVersion() < 1 ? 'this kernel has no Landlock' : undefined;

describe('krun-host, under the address and undefined-behaviour sanitizers', () => {
  let directory: string;
  let program: string;
  let library: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'krun-host-'));
    program = join(directory, 'krun-host');
    compileKrunHost(program, ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']);
    library = await compileLibkrun(join(directory, 'libkrun.so'));
  }, 60_000);
  afterAll(() => rmSync(directory, { recursive: true }));

  const config = (): Record<string, unknown> => ({
    ...{ version: 1, library, cpus: 1, memoryMib: 256, kernel: null, root: directory, environment: ['quiet'] },
    ...{ shares: [], disks: [], ports: [], network: null, console: 9, readOnlyPaths: [], readWritePaths: [] },
  });

  interface Outcome {
    code: number;
    stdout: string;
    stderr: string;
  }

  const run = async (...args: string[]): Promise<Outcome> => {
    const options = { env: { ...process.env, KRUN_DOUBLE_FIRMWARE: undefined } };
    const outcome = await promisify(execFile)(program, args, options).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: Outcome) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
    );
    expect(outcome.stderr).not.toMatch(/Sanitizer|runtime error/);
    return outcome;
  };

  const refusal = async (text: string): Promise<string> => {
    const file = join(directory, 'config.json');
    writeFileSync(file, text);
    const { code, stderr } = await run(file);
    expect(code).toBe(NO_MACHINE);
    return stderr;
  };

  it('names the key at fault of every configuration that is not one', async () => {
    const share = { tag: 'a', path: '/', readOnly: true };
    const kernel = { path: '/k', format: 1, initramfs: '/i', commandLine: '' };
    const long = `/${'x'.repeat(200)}`;
    const wrong: [unknown, string][] = [
      [[], 'configuration: must be an object'],
      [{ ...config(), extra: 1 }, 'configuration: unknown key "extra"'],
      [{ ...config(), cpus: undefined }, 'cpus: missing'],
      [{ ...config(), version: 2 }, 'version: must be an integer from 1 to 1'],
      [{ ...config(), cpus: 256 }, 'cpus: must be an integer from 1 to 255'],
      [{ ...config(), cpus: '1' }, 'cpus: must be'],
      [{ ...config(), library: 'libkrun.so' }, 'library: must be an absolute path'],
      [{ ...config(), library: `/${'x'.repeat(2000)}` }, 'library: must be an absolute path'],
      [{ ...config(), root: null }, 'root: there must be it or a kernel'],
      [{ ...config(), kernel }, 'root: there must be it or a kernel'],
      [{ ...config(), root: null, kernel: { ...kernel, format: 9 } }, 'format: must be an integer from 0 to 5'],
      [{ ...config(), environment: ['a"b'] }, 'environment: must be without quotes'],
      [{ ...config(), environment: [1] }, 'environment: must be strings'],
      [{ ...config(), environment: Array(65).fill('a') }, 'environment: has more than 64'],
      [{ ...config(), shares: [{ ...share, path: 'x' }] }, 'path: must be an absolute path'],
      [{ ...config(), shares: [{ ...share, readOnly: 1 }] }, 'readOnly: must be true or false'],
      [{ ...config(), shares: Array(65).fill(share) }, 'shares: has more than 64'],
      [{ ...config(), disks: [{}] }, 'id: missing'],
      [{ ...config(), ports: [{ port: 1, path: long, guestListens: true }] }, 'path: longer than 103'],
      [{ ...config(), ports: [{ port: 0, path: '/x', guestListens: true }] }, 'port: must be'],
      [{ ...config(), network: { descriptor: 2, mac: '' } }, 'descriptor: must be'],
      [{ ...config(), network: { descriptor: 10, mac: '02:00' } }, 'mac: must be an address'],
      [{ ...config(), network: { descriptor: 10, mac: '02:00:00:00:00:0x' } }, 'mac: must be an address'],
      [{ ...config(), console: 1 }, 'console: must be'],
      [{ ...config(), readWritePaths: ['x'] }, 'readWritePaths: must be absolute paths'],
    ];
    for (const [value, why] of wrong) expect(await refusal(JSON.stringify(value))).toContain(`krun-host: ${why}`);
    expect(await refusal('')).toContain('not valid JSON');
    expect(await refusal(`"${'x'.repeat(1024 * 1024)}"`)).toContain('too long');
    expect((await run(join(directory, 'missing.json'))).stderr).toContain('No such file');
    expect((await run()).code).toBe(2);
  });

  it('says what libkrun refuses, and that a machine did not start', async ({ skip }) => {
    skip(withoutJail !== undefined, withoutJail);
    const share = { tag: 'data', path: directory, readOnly: true };
    const refused: [object, string][] = [
      [{ root: '/nowhere' }, 'libkrun refuses /nowhere: Invalid argument'],
      [{ shares: [share, share] }, `libkrun refuses ${directory}: Invalid argument`],
      [{ library: '/nowhere/libkrun.so' }, '/nowhere/libkrun.so'],
      [{ readOnlyPaths: ['/nowhere'] }, 'jail: /nowhere: No such file'],
      [{}, 'libkrun refuses to start the machine: No such file or directory'],
    ];
    for (const [change, why] of refused)
      expect(await refusal(JSON.stringify({ ...config(), ...change }))).toContain(why);
    const old = await compileLibkrun(join(directory, 'old.so'), ['KRUN_DOUBLE_VERSION=16']);
    expect(await refusal(JSON.stringify({ ...config(), library: old }))).toContain(
      'old.so is too old: it has no krun_has_feature',
    );
  });

  it('can be ended though libkrun hangs, as it does with more processors than the host has', async ({ skip }) => {
    skip(withoutJail !== undefined, withoutJail);
    const file = join(directory, 'many.json');
    writeFileSync(file, JSON.stringify({ ...config(), cpus: 255 }));
    const hanging = promisify(execFile)(program, [file], { timeout: 1000 });
    await expect(hanging).rejects.toMatchObject({ killed: true, signal: 'SIGTERM' });
  });

  it('confines all of its threads: one that is not would be a way out of the jail', async ({ skip }) => {
    skip(process.platform !== 'linux', 'a Seatbelt profile holds for a whole process');
    skip(withoutJail !== undefined, withoutJail);
    const file = join(directory, 'threads.json');
    // It hangs in libkrun, behind the jail.
    writeFileSync(file, JSON.stringify({ ...config(), cpus: 255 }));
    const hanging = spawn(program, [file], { stdio: 'ignore' });
    const ended = once(hanging, 'exit');
    try {
      const tasks = `/proc/${hanging.pid}/task`;
      const confined = (): boolean[] =>
        readdirSync(tasks).map((id) => /^NoNewPrivs:\s*1$/m.test(readFileSync(join(tasks, id, 'status'), 'utf8')));
      // Its own, and that of the console.
      await expect.poll(confined, { timeout: 3000 }).toEqual([true, true]);
    } finally {
      hanging.kill('SIGKILL');
      await ended;
    }
  });

  it('tells what a library can do', async () => {
    const { code, stdout } = await run('--probe', library);
    expect({ code, found: JSON.parse(stdout) }).toMatchObject({ code: 0, found: { library, version: '1.19' } });
    expect(await run('--probe', '/nowhere')).toMatchObject({ code: 1, stdout: expect.stringContaining('not-found') });
  });
});
