import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { resolveGuest } from '@zlayer/vzagent';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type MacGuestTools,
  macGuestsByAddon,
  macGuestsByHost,
  VzMachine,
  type VzMacMachineConfig,
} from '../src/index.ts';

const MIB = 1024 ** 2;
const release = join(import.meta.dirname, '../native/build/Release');
const addon = join(release, 'vz-native.node');
const vzHost = join(release, 'vz-host');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('guests that run macOS, over the double, where a Linux stands for it', () => {
  let directory: string;
  let console_: number;
  let tools: MacGuestTools;
  let count = 0;
  const path = (name: string): string => join(directory, name);
  const stands = (name: string): string => join(directory, 'macos', name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vz-mac-'));
    await mkdir(path('macos'));
    const { kernel, initramfs } = await resolveGuest({ architecture: 'arm64' });
    await copyFile(kernel, stands('kernel'));
    await copyFile(initramfs, stands('initramfs'));
    await writeFile(stands('command-line'), 'quiet');
    await writeFile(stands('leases'), '');
    await writeFile(path('installed.img'), Buffer.alloc(8 * MIB, 'installed'));
    await writeFile(
      stands('latest.ipsw'),
      JSON.stringify({
        ...{ build: '24B83', version: '15.1.0', hardwareModel: 2, minCpus: 2, minMemoryBytes: 4096 * MIB },
        disk: path('installed.img'),
      }),
    );
    process.env['VZ_DOUBLE_MACOS'] = path('macos');
    process.env['VZ_DOUBLE_ENTITLEMENTS'] = 'com.apple.security.virtualization';
    console_ = openSync(path('console.log'), 'a');
    tools = macGuestsByHost(vzHost);
  }, 60_000);
  afterAll(async () => {
    closeSync(console_);
    await rm(directory, { recursive: true, force: true });
  });

  /** Disk, auxiliary storage and identity of a guest of its own. */
  const configOf = async (model = 2): Promise<VzMacMachineConfig> => {
    count += 1;
    const { needs } = await tools.findLatestRestoreImage();
    if (needs === undefined) throw new Error('the image cannot be run');
    const auxiliaryStorage = path(`aux-${count}.img`);
    await tools.createAuxiliaryStorage(auxiliaryStorage, needs.hardwareModel);
    await writeFile(path(`disk-${count}.img`), Buffer.alloc(8 * MIB));
    return {
      macos: {
        hardwareModel: base64(`hardware-model:${model}`),
        machineIdentifier: await tools.newMachineIdentifier(),
        auxiliaryStorage,
        display: { width: 1920, height: 1080, pixelsPerInch: 80 },
      },
      ...{ cpus: 1, memoryBytes: 256 * MIB, shares: [], network: { mac: `02:00:00:00:0a:0${count % 10}` } },
      disks: [{ path: path(`disk-${count}.img`), readOnly: false, serial: 'disk', cache: 'cached' }],
    };
  };
  const machineOf = (config: VzMacMachineConfig): VzMachine => new VzMachine(config, { addon, console: console_ });

  describe.each([
    ['vz-host', () => macGuestsByHost(vzHost)],
    ['the addon', () => macGuestsByAddon({ addon })],
  ])('the tools of %s', (name, make) => {
    it('make what such a guest is made of', async () => {
      const made = make();
      const identifier = await made.newMachineIdentifier();
      expect(await made.newMachineIdentifier()).not.toBe(identifier);
      const image = await made.findLatestRestoreImage();
      expect(image).toMatchObject({ version: '15.1.0', build: '24B83', url: `file://${stands('latest.ipsw')}` });
      expect(image.needs).toMatchObject({ minCpus: 2, minMemoryBytes: 4096 * MIB });
      const model = image.needs?.hardwareModel ?? '';
      const models = [model, base64('hardware-model:3'), base64('nonsense'), 'no base64'];
      const found = await Promise.all(models.map((one) => made.checkHardwareModel(one)));
      expect(found).toEqual(['supported', 'unsupported', 'invalid', 'invalid']);
      const file = path(`of ${name}`);
      await made.createAuxiliaryStorage(file, model);
      expect((await readFile(file)).length).toBeGreaterThan(0);
    });

    it('hand on why the framework refuses', async () => {
      const made = make();
      const taken = path(`taken of ${name}`);
      await writeFile(taken, 'mine');
      await expect(made.createAuxiliaryStorage(taken, base64('hardware-model:1'))).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('already exists'),
      });
      expect(await readFile(taken, 'utf8')).toBe('mine');
      await expect(made.createAuxiliaryStorage(path('x'), base64('other'))).rejects.toThrow('hardware model');
      await expect(made.loadRestoreImage(path('missing.ipsw'))).rejects.toThrow('failed to load');
      await expect(made.loadRestoreImage(taken)).rejects.toThrow('restore image is invalid');
      await writeFile(path('newer.ipsw'), '{"build":"99A1","version":"30.0.0","hardwareModel":9}');
      expect((await made.loadRestoreImage(path('newer.ipsw'))).needs).toBeUndefined();
      const reason = new Error('not now');
      await expect(made.findLatestRestoreImage({ signal: AbortSignal.abort(reason) })).rejects.toThrow();
    });
  });

  it('installs macOS on the disk, and tells how far it is', async () => {
    const config = await configOf();
    await using machine = machineOf(config);
    const told: number[] = [];
    await machine.install(stands('latest.ipsw'), { onProgress: (fraction) => told.push(fraction) });
    expect(await readFile(config.disks[0]?.path ?? '')).toEqual(await readFile(path('installed.img')));
    expect(told.at(-1)).toBe(1);
    expect(told.length).toBeGreaterThan(10);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    // It can be started as it is.
    await machine.start();
    await machine.stop();
  }, 60_000);

  it('gives an installation up when it is told to, and says what is wrong with an image', async () => {
    await using machine = machineOf(await configOf());
    const abort = new AbortController();
    const installing = machine.install(stands('latest.ipsw'), {
      signal: abort.signal,
      onProgress: (fraction) => fraction > 0.2 && abort.abort(new Error('changed my mind')),
    });
    await expect(installing).rejects.toThrow('changed my mind');
    const wrong = machine.install(path('missing.ipsw'));
    await expect(wrong).rejects.toMatchObject({ code: 'START_FAILED', message: expect.stringContaining('invalid') });
    // One that is let go of meanwhile is no more than that.
    void machine.install(stands('latest.ipsw')).catch(() => undefined);
  }, 60_000);

  const hostOf = async (
    config: VzMacMachineConfig,
    restoreImage: string | null,
  ): Promise<{
    line: string;
    code: Promise<number | null>;
    ask(line: string): Promise<string>;
    status(): Promise<unknown>;
    end(): void;
  }> => {
    count += 1;
    const name = String(count);
    const { macos, ...parts } = config;
    await writeFile(
      path(`${name}.json`),
      JSON.stringify({
        ...{ version: 1, statusFile: path(`${name}-vm.json`), controlSocket: path(`${name}-c.sock`) },
        ...{ runDirectory: null, onOwnerExit: 'stop', stopGraceMs: 0, startTimeoutMs: 30_000 },
        machine: {
          ...{ ...parts, macos: { ...macos, restoreImage }, listen: [], savedState: null },
          ...{ consoleFile: path(`${name}.log`), consoleBytes: 4096, vsockSocket: path(`${name}-v.sock`) },
        },
      }),
    );
    const child = spawn(vzHost, [path(`${name}.json`)], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
    const exited = once(child, 'exit');
    const pipe = child.stdio[3] as Readable;
    const [chunk] = (await once(pipe, 'data')) as [Buffer];
    return {
      line: String(chunk),
      code: exited.then(([code]) => code as number | null),
      async ask(line) {
        const socket = connect(path(`${name}-c.sock`));
        socket.write(`${line}\n`);
        let all = '';
        socket.on('data', (data) => {
          all += String(data);
        });
        await once(socket, 'close');
        return all;
      },
      status: async () => JSON.parse(await readFile(path(`${name}-vm.json`), 'utf8')),
      end: () => pipe.destroy(),
    };
  };

  it('installs in a vz-host too, which ends with it and tells everybody who watches', async () => {
    const config = await configOf();
    const host = await hostOf(config, stands('latest.ipsw'));
    expect(JSON.parse(host.line)).toMatchObject({ ready: true });
    const heard = await host.ask('{"op":"watch"}');
    expect(await host.code).toBe(0);
    expect(heard).toMatch(/"event":"installation","thousandths":[1-9]\d+/);
    expect(heard).toContain('"thousandths":1000}');
    expect(JSON.parse(heard.trim().split('\n').at(-1) ?? '')).toMatchObject({
      event: 'exited',
      exit: { code: 0, reason: 'exited', message: 'macOS is installed' },
    });
    expect(await readFile(config.disks[0]?.path ?? '')).toEqual(await readFile(path('installed.img')));

    const stopped = await hostOf(await configOf(), stands('latest.ipsw'));
    expect(await stopped.ask('{"op":"stop","graceMs":20000}')).toContain('"ok":true');
    expect(await stopped.code).toBe(0);
    expect(await stopped.status()).toMatchObject({ exit: { code: null, reason: 'stopped' } });
    const wrong = await hostOf(await configOf(), path('missing.ipsw'));
    expect(await wrong.code).toBe(0);
    expect(await wrong.status()).toMatchObject({
      exit: { code: 1, message: 'macOS could not be installed: The restore image is invalid.' },
    });
  }, 60_000);

  it('boots, takes calls, and has its address noted where the host keeps leases', async () => {
    const config = await configOf();
    await using machine = machineOf(config);
    await machine.start();
    let socket = await machine.connect(1024).catch(() => undefined);
    while (socket === undefined) {
      await new Promise((done) => setTimeout(done, 100));
      socket = await machine.connect(1024).catch(() => undefined);
    }
    socket.destroy();
    const mac = config.network?.mac?.replaceAll(/(^|:)0/g, '$1');
    expect(await readFile(stands('leases'), 'utf8')).toContain(`hw_address=1,${mac}\n`);
    await machine.stop();
  }, 60_000);

  it('lets a host run two of them at once, whichever processes they are in', async () => {
    await using one = machineOf(await configOf());
    await one.start();
    const other = await hostOf(await configOf(), null);
    expect(JSON.parse(other.line)).toMatchObject({ ready: true });
    await using third = machineOf(await configOf());
    await expect(third.start()).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('maximum supported number'),
    });
    other.end();
    await other.code;
    await expect.poll(() => third.start().then(() => 'started', String), { timeout: 10_000 }).toBe('started');
  }, 60_000);

  it('is refused with what does not fit together', async () => {
    const config = await configOf();
    const { macos } = config;
    const wrong: [Partial<VzMacMachineConfig['macos']>, string][] = [
      [{ hardwareModel: base64('hardware-model:9') }, 'does not support the hardware model'],
      [{ hardwareModel: '' }, 'the hardware model is not in the form'],
      [{ hardwareModel: base64('hardware-model:1') }, 'made for another hardware model'],
      [{ machineIdentifier: base64('x') }, 'the machine identifier is not in the form'],
      [{ auxiliaryStorage: '/nowhere' }, 'auxiliary storage is missing'],
    ];
    for (const [change, why] of wrong) {
      await using machine = machineOf({ ...config, macos: { ...macos, ...change } });
      await expect(machine.validate()).rejects.toThrow(why);
    }
    expect(() => machineOf({ ...config, macos: { ...macos, auxiliaryStorage: 'relative' } })).toThrow('absolute path');
    const display = { width: 0, height: 1, pixelsPerInch: 1 };
    expect(() => machineOf({ ...config, macos: { ...macos, display } })).toThrow('width');
    await using twice = machineOf({
      ...config,
      shares: [{ tag: 'a/b', path: directory, readOnly: true }],
    });
    await expect(twice.validate()).rejects.toThrow('share a/b');
  });
});
