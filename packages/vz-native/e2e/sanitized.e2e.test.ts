import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { resolveGuest } from '@zlayer/vzagent';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../scripts/node-gyp.ts';

const MACHINES = 100;
const run = promisify(execFile);

// GNUstep keeps its classes' own memory for ever; the double counts its objects itself.
const env = {
  ...process.env,
  ASAN_OPTIONS: 'detect_leaks=0',
  VZ_DOUBLE_ENTITLEMENTS: 'com.apple.security.virtualization',
};

/** The runtime that a program without it has to load before an addon with it. */
async function addressSanitizer(): Promise<string> {
  const file = `libclang_rt.asan-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so`;
  return (await run('clang-16', [`-print-file-name=${file}`])).stdout.trim();
}

describe('core, addon, host program and double, under the address and undefined-behaviour sanitizers', () => {
  let directory: string;
  let programs: string;
  let kernel: string;
  const path = (name: string): string => join(directory, name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vz-sanitized-'));
    ({ kernel } = await resolveGuest({ architecture: 'arm64' }));
    programs = await build('Debug');
    // Compiling takes minutes on a busy machine.
  }, 600_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it(`leaves no object, descriptor or process of ${MACHINES} machines, and answers every call once`, async () => {
    const { stderr } = await run(join(programs, 'leak-check'), [kernel, String(MACHINES)], { env });
    expect(stderr).toContain(`${MACHINES} machines, 0 objects, 0 descriptors more`);
  }, 300_000);

  it('leaves nothing of installations of macOS, ended or given up', async () => {
    const { stdout, stderr } = await run(
      process.execPath,
      [join(import.meta.dirname, 'installations.ts'), join(programs, 'vz-native.node'), directory],
      { env: { ...env, LD_PRELOAD: await addressSanitizer(), VZ_DOUBLE_COUNT_AT_EXIT: '1' } },
    );
    expect(stdout.trim().split('\n')).toEqual([
      'installed',
      'changed my mind',
      'macOS is not installed: The restore image is invalid.',
      'macOS is not installed: The installation was cancelled.',
    ]);
    expect(stderr).toBe('0 objects of the framework\n');
  }, 120_000);

  it('leaves nothing of machines of the addon, closed or collected', async () => {
    const many = join(import.meta.dirname, 'many-machines.ts');
    const { stdout, stderr } = await run(
      process.execPath,
      ['--expose-gc', many, join(programs, 'vz-native.node'), kernel, '30'],
      { env: { ...env, LD_PRELOAD: await addressSanitizer(), VZ_DOUBLE_COUNT_AT_EXIT: '1' } },
    );
    expect(stdout).toMatch(/^(0|-\d+) descriptors more\n$/);
    expect(stderr).toBe('0 objects of the framework\n');
  }, 120_000);

  const configuration = (): Record<string, unknown> => ({
    ...{ version: 1, statusFile: path('vm.json'), controlSocket: path('c.sock'), runDirectory: null },
    ...{ onOwnerExit: 'stop', stopGraceMs: 0, startTimeoutMs: 30_000 },
    machine: {
      ...{ kernel, initramfs: kernel, commandLine: 'quiet', cpus: 1, memoryBytes: 128 * 1024 ** 2 },
      ...{ shares: [], disks: [], network: null, rosetta: false, listen: [1025], savedState: null },
      ...{ consoleFile: path('console.log'), consoleBytes: 4096, vsockSocket: path('v.sock') },
    },
  });

  const start = async (config: unknown): Promise<{ line: string; end(): Promise<number | null> }> => {
    const file = path('host-config.json');
    await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config));
    const child = spawn(join(programs, 'vz-host'), [file], { env, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
    if (child.stderr === null) throw new Error('the host has no standard error');
    const exited = once(child, 'exit');
    const complaints = text(child.stderr);
    const pipe = child.stdio[3] as Readable;
    const [chunk] = await Promise.race([once(pipe, 'data'), exited.then(() => [''])]);
    return {
      line: String(chunk),
      end: async () => {
        pipe.destroy();
        const [code] = await exited;
        expect(await complaints).not.toMatch(/Sanitizer|runtime error/);
        return code as number | null;
      },
    };
  };

  it('names the key at fault of every configuration that is not one', async () => {
    const machine = configuration()['machine'] as object;
    const wrong: [unknown, string][] = [
      ['', 'not valid JSON'],
      ['[]', 'configuration: must be an object'],
      [{ ...configuration(), extra: 1 }, 'extra: unknown key'],
      [{ ...configuration(), version: 2 }, 'version: must be an integer from 1 to 1'],
      [{ ...configuration(), machine: { ...machine, cpus: 0 } }, 'machine.cpus: must be'],
      [{ ...configuration(), machine: { ...machine, disks: [{}] } }, 'machine.disks[0].path: missing'],
      [{ ...configuration(), machine: { ...machine, kernel: 'relative' } }, 'machine.kernel: must be an absolute path'],
      [
        { ...configuration(), machine: { ...machine, network: { mac: 'x'.repeat(99) } } },
        'machine.network.mac: longer',
      ],
      [
        { ...configuration(), machine: { ...machine, vsockSocket: `/${'x'.repeat(99)}` } },
        'machine.vsockSocket: longer',
      ],
    ];
    const display = { width: 1, height: 1, pixelsPerInch: 1 };
    const macos = { hardwareModel: '', machineIdentifier: '', auxiliaryStorage: '/a', display, restoreImage: null };
    const { kernel: _, initramfs: _1, commandLine: _2, rosetta: _3, ...parts } = machine as Record<string, unknown>;
    const guests: [object, string][] = [
      [{ ...machine, macos }, 'machine.kernel: unknown key'],
      [{ ...parts, macos: { ...macos, display: { ...display, width: 0 } } }, 'machine.macos.display.width: must be'],
      [{ ...parts, macos: { ...macos, restoreImage: '/i' }, savedState: '/s' }, 'machine.savedState: a machine that'],
      [{ ...parts, macos }, 'the hardware model is not in the form'],
      [{ ...machine, savedState: '/nowhere' }, 'cannot restore machines'],
    ];
    wrong.push(...guests.map(([of, why]): [unknown, string] => [{ ...configuration(), machine: of }, why]));
    for (const [config, message] of wrong) {
      const host = await start(config);
      expect(JSON.parse(host.line)).toEqual({ ready: false, error: expect.stringContaining(message) });
      expect(await host.end()).toBe(1);
    }
  });

  it('survives clients that say nonsense, and ends with its owner', async () => {
    const host = await start(configuration());
    expect(JSON.parse(host.line)).toMatchObject({ ready: true });
    const ask = async (line: string): Promise<string> => {
      const socket = connect(path('c.sock'));
      socket.write(line);
      const [answer] = await once(socket, 'data');
      socket.destroy();
      return String(answer);
    };
    const nonsense = [
      '{"op":"fly"}',
      '[]',
      '{"op":"balloon"}',
      '{"op":"balloon","bytes":"1"}',
      '{"op":"save","path":"x"}',
    ];
    for (const line of [
      ...nonsense,
      '{"op":"listen","port":-1}',
      'x',
      '{"op":"stop","graceMs":-1}',
      '{"op":"status","x":1}',
    ]) {
      expect(JSON.parse(await ask(`${line}\n`))).toMatchObject({ ok: false });
    }
    expect(JSON.parse(await ask('{"op":"save","path":"/nowhere"}\n'))).toMatchObject({
      ok: false,
      error: expect.stringContaining('state'),
    });
    for (const call of ['\n', 'CONNECT\n', 'CONNECT x\n', 'CONNECT 99999999999\n', 'x'.repeat(100), 'CONNECT 1024\n']) {
      const socket = connect(path('v.sock'));
      socket.on('error', () => {});
      socket.write(call);
      expect(await text(socket).catch(() => '')).toBe('');
    }
    expect(JSON.parse(await ask('{"op":"status"}\n'))).toMatchObject({
      status: { state: 'running', machine: 'running' },
    });
    expect(await host.end()).toBe(0);
    await expect(stat(path('c.sock'))).rejects.toThrow('ENOENT');
  }, 60_000);

  it('tells who watches of each state, and leaves who does not read', async () => {
    const host = await start(configuration());
    const [watcher, deaf, actor] = [connect(path('c.sock')), connect(path('c.sock')), connect(path('c.sock'))];
    deaf.pause();
    for (const socket of [watcher, deaf]) socket.write('{"op":"watch"}\n');
    const heard: string[] = [];
    watcher.on('data', (data) => heard.push(String(data)));
    const ended = once(
      deaf.on('error', () => {}),
      'close',
    );
    await expect.poll(() => heard.join('')).toBe('{"ok":true,"machine":"running"}\n');
    for (let round = 0; round < 2000; round += 1) {
      actor.write(`{"op":"${round % 2 === 0 ? 'pause' : 'resume'}"}\n`);
      expect(String((await once(actor, 'data'))[0])).toBe('{"ok":true}\n');
    }
    await expect.poll(() => heard.join('').match(/"machine":"paused"/g)?.length).toBe(1000);
    await expect.poll(() => heard.join('').endsWith('{"event":"state","machine":"running"}\n')).toBe(true);
    // It has as much as its socket took, and then the end.
    deaf.resume();
    await ended;
    for (const socket of [watcher, actor]) socket.destroy();
    expect(await host.end()).toBe(0);
  }, 120_000);
});
