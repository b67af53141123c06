import { execFile } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { resolveGuest } from '@zlayer/vzagent';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMac, randomMac, type VzLinuxMachineConfig, VzMachine, vzSupport } from '../src/index.ts';

const MACHINES = 100;
const run = promisify(execFile);
const addon = join(import.meta.dirname, '../native/build/Release/vz-native.node');
const MIB = 1024 ** 2;

process.env['VZ_DOUBLE_ENTITLEMENTS'] = 'com.apple.security.virtualization';

describe('machines in the Node process, over the double of the framework', () => {
  let directory: string;
  let console_: number;
  let config: VzLinuxMachineConfig;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vz-addon-'));
    console_ = openSync(join(directory, 'console.log'), 'a');
    const { kernel, initramfs } = await resolveGuest({ architecture: 'arm64' });
    config = {
      ...{ kernel, initramfs, commandLine: 'ignore_loglevel initcall_debug', cpus: 1, memoryBytes: 256 * MIB },
      ...{ shares: [], disks: [], network: null },
    };
  }, 60_000);
  afterAll(async () => {
    closeSync(console_);
    await rm(directory, { recursive: true, force: true });
  });

  const machineOf = (changes: Partial<VzLinuxMachineConfig> = {}): VzMachine =>
    new VzMachine({ ...config, ...changes }, { addon, console: console_ });

  it('says what system and process can do, and makes addresses that machines can have', () => {
    expect(vzSupport({ addon })).toMatchObject({ supported: true, entitled: true });
    const mac = randomMac({ addon });
    expect(isMac(mac, { addon })).toBe(true);
    expect(randomMac({ addon })).not.toBe(mac);
    for (const wrong of ['', 'x', 'ff:ff:ff:ff:ff:ff', `${mac}:00`]) expect(isMac(wrong, { addon })).toBe(false);
  });

  it('boots a guest that takes calls, pauses, goes on and stops, and tells of every state', async () => {
    const states: string[] = [];
    await using machine = new VzMachine(config, {
      ...{ addon, console: console_ },
      onState: (state) => states.push(state),
    });
    await machine.validate();
    await machine.start();
    let socket = await machine.connect(1024).catch(() => undefined);
    while (socket === undefined) {
      await new Promise((done) => setTimeout(done, 100));
      socket = await machine.connect(1024).catch(() => undefined);
    }
    socket.destroy();
    const consoleText = (): string => readFileSync(join(directory, 'console.log'), 'utf8');
    await expect.poll(consoleText, { timeout: 10_000 }).toMatch(/initcall/);
    await machine.setMemoryTarget(200 * MIB);
    const saved = join(directory, 'saved');
    await expect(machine.save(saved)).rejects.toMatchObject({ code: 'CONFLICT', cause: { domain: 'VZErrorDomain' } });
    await machine.pause();
    expect(machine.state).toBe('paused');
    // QEMU cannot, with a vsock of this kind; the framework's errors for it come through.
    await expect(machine.save(saved)).rejects.toThrow('The double over QEMU cannot save machines');
    await expect(machineOf().restore(saved)).rejects.toMatchObject({ code: 'START_FAILED' });
    expect(() => machine.save('relative')).toThrow('absolute');
    await expect(machine.pause()).rejects.toMatchObject({ code: 'CONFLICT', cause: { domain: 'VZErrorDomain' } });
    await machine.resume();
    await machine.stop();
    expect(await machine.ended).toEqual({ failed: false });
    expect(states).toEqual(expect.arrayContaining(['running', 'paused', 'stopped']));
  }, 60_000);

  it('takes the guest’s calls while it listens, and keeps its console within bounds', async () => {
    const file = join(directory, 'bounded.log');
    const calls: number[] = [];
    const ready = Promise.withResolvers<string>();
    await using machine = new VzMachine(
      { ...config, commandLine: `${config.commandLine} zlayer.ready=1025` },
      {
        ...{ addon, console: { file, maxBytes: 4096 } },
        onCall: (port, call) => {
          calls.push(port);
          call.once('data', (data) => ready.resolve(String(data)));
          call.resume();
        },
      },
    );
    await machine.start({ listen: [1025] });
    expect(await ready.promise).toBe('r');
    expect(calls).toEqual([1025]);
    await expect.poll(() => readFileSync(file, 'utf8'), { timeout: 10_000 }).toMatch(/initcall/);
    await machine.listen(1026);
    await machine.stopListening(1026);
    // The guest has nobody who looks after its power button.
    await machine.requestStop();
    expect(machine.state).toBe('running');
    await machine.stop();
    await machine.close();
    expect(readFileSync(file, 'utf8').length).toBeLessThanOrEqual(4096);
    const tooFew = { ...{ addon }, console: { file, maxBytes: 1 } };
    expect(() => new VzMachine(config, tooFew)).toThrow('at least 4096 bytes');
    const nowhere = { ...{ addon }, console: { file: '/nowhere/console.log', maxBytes: 4096 } };
    expect(() => new VzMachine(config, nowhere)).toThrow('/nowhere/console.log');
  }, 60_000);

  it('hands on the words of the framework for a machine that it refuses', async () => {
    await using machine = machineOf({ memoryBytes: MIB });
    await expect(machine.validate()).rejects.toMatchObject({
      code: 'INVALID_SPEC',
      cause: { domain: 'VZErrorDomain' },
    });
    await expect(machine.start()).rejects.toMatchObject({ code: 'START_FAILED' });
    expect(() => machineOf({ kernel: 'relative' })).toThrow('kernel: must be an absolute path');
    expect(() => machineOf({ cpus: 0.5 })).toThrow('cpus: must be a positive integer');
    expect(() => new VzMachine(config, { addon, console: 9999 })).toThrow('console');
  });

  it('refuses every call of a machine that is closed, and closes twice', async () => {
    const machine = machineOf();
    await machine.close();
    await machine.close();
    await expect(machine.start()).rejects.toMatchObject({ code: 'START_FAILED' });
    await expect(machine.connect(1024)).rejects.toMatchObject({ code: 'NETWORK' });
    await expect(machine.pause()).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  const program = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    run(process.execPath, args, { env: { ...process.env, VZ_DOUBLE_COUNT_AT_EXIT: '1' } });

  it(`leaves no object and no descriptor of ${MACHINES} machines, closed or collected`, async () => {
    const many = join(import.meta.dirname, 'many-machines.ts');
    const { stdout, stderr } = await program('--expose-gc', many, addon, config.kernel, String(MACHINES));
    expect(stdout).toMatch(/^(0|-\d+) descriptors more\n$/);
    expect(stderr).toContain('0 objects of the framework\n');
  }, 300_000);

  it.each([
    ['by process.exit', 'process.exit(0)'],
    ['with nothing left to do', ''],
  ])(
    'ends a machine that runs when its program ends %s',
    async (_, end) => {
      const source = join(import.meta.dirname, '../src/vz-machine.ts');
      const { stderr } = await program(
        ...['--input-type=module-typescript', '-e'],
        // A file: QEMU, under the double, cannot open the socket that stderr is.
        `import { openSync } from 'node:fs';
       import { VzMachine } from ${JSON.stringify(source)};
       const console = openSync(${JSON.stringify(join(directory, 'other-console.log'))}, 'a');
       const machine = new VzMachine(${JSON.stringify(config)}, { addon: ${JSON.stringify(addon)}, console });
       await machine.start();
       void machine.pause();
       ${end}`,
      );
      expect(stderr).toContain('0 objects of the framework\n');
    },
    60_000,
  );
});
