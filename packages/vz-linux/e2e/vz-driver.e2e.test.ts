import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Vm, VmConfig } from '@zlayer/host';
import { processesBelow, survivors } from '@zlayer/test-support';
import { kernelArguments, resolveGuest } from '@zlayer/vzagent';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VzDriver } from '../src/index.ts';
import { DOUBLE } from './double.ts';
import { hostPid } from './processes.ts';

const READY = 1025;
const CONTROL = 1024;

describe('VzDriver, over the double of the framework', () => {
  const driver = new VzDriver(DOUBLE);
  let directory: string;
  let vm: Vm | undefined;
  const state = (): string => join(directory, 'state');

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-vz-'));
    await mkdir(join(directory, 'share'));
    await mkdir(state());
  });
  afterEach(async () => {
    await vm?.kill();
    vm = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  const configuration = async (change: Partial<VmConfig> = {}): Promise<VmConfig> => {
    const { kernel, initramfs } = await resolveGuest({ architecture: 'arm64' });
    return {
      stateDirectory: state(),
      architecture: 'arm64',
      kernel,
      initramfs,
      commandLine: [...kernelArguments('arm64'), `zlayer.ready=${READY}`].join(' '),
      cpus: 1,
      memoryBytes: 256 * 1024 ** 2,
      shares: [{ tag: 'data', path: join(directory, 'share'), readOnly: true }],
      disks: [],
      network: { type: 'user' },
      consoleFile: join(state(), 'console.log'),
      onOwnerExit: 'stop',
      ...change,
    };
  };

  const boot = async (change: Partial<VmConfig> = {}): Promise<Vm> => {
    const ready = Promise.withResolvers<void>();
    const listen = new Map([[READY, () => ready.resolve()]]);
    const config = await configuration(change);
    vm = await driver.launch(config, { listen });
    await Promise.race([
      ready.promise,
      vm.exited.then(async ({ message }) => {
        throw new Error(`${message}\n${await readFile(config.consoleFile, 'utf8')}`);
      }),
    ]);
    return vm;
  };

  it('launches, connects, pauses, resumes, is found again by its state directory, and kills', async () => {
    const booted = await boot();
    (await booted.connect(CONTROL)).destroy();
    await expect(booted.connect(9999)).rejects.toMatchObject({ code: 'NETWORK' });
    await booted.pause();
    const found = await driver.attach(state());
    expect(found.state).toBe('paused');
    // As the DHCP server of a Mac's NAT writes it down for the machine's own MAC.
    const { machine } = JSON.parse(await readFile(join(state(), 'host-config.json'), 'utf8')) as {
      machine: { network: { mac: string } };
    };
    const hardware = machine.network.mac.replaceAll(/(^|:)0/g, '$1');
    const lease = `{\n\tip_address=192.168.64.5\n\thw_address=1,${hardware}\n\tlease=0x7fffffff\n}\n`;
    await writeFile(join(state(), 'leases'), lease);
    const driverOfNat = new VzDriver({ ...DOUBLE, leasesFile: join(state(), 'leases') });
    expect(await (await driverOfNat.attach(state())).address?.()).toBe('192.168.64.5');
    expect(await found.address?.()).toBeUndefined();
    await expect(found.connect(CONTROL)).rejects.toMatchObject({ code: 'CONFLICT' });
    await found.resume();
    (await found.connect(CONTROL)).destroy();
    // Each hears what the other does.
    await expect.poll(() => booted.state).toBe('running');
    await found.pause();
    await expect.poll(() => booted.state).toBe('paused');
    await booted.resume();
    await expect.poll(() => found.state).toBe('running');
    await booted.setMemoryTarget?.(128 * 1024 ** 2);
    expect(await booted.statistics?.()).toMatchObject({ processes: 1 });

    const processes = [await hostPid(state()), ...(await processesBelow(await hostPid(state())))];
    expect(processes.length).toBeGreaterThanOrEqual(4);
    expect(await found.kill()).toMatchObject({ reason: 'stopped' });
    expect(await booted.exited).toMatchObject({ reason: 'stopped' });
    expect(await survivors(processes)).toEqual([]);
    expect(await (await driver.attach(state())).exited).toMatchObject({ reason: 'stopped' });
  });

  it('carries a hundred connections at once', async () => {
    const booted = await boot();
    const before = (await readdir(`/proc/${await hostPid(state())}/fd`)).length;
    const open = await Promise.all(Array.from({ length: 100 }, () => booted.connect(CONTROL)));
    expect((await readdir(`/proc/${await hostPid(state())}/fd`)).length).toBeGreaterThanOrEqual(200);
    for (const connection of open) connection.destroy();
    for (const end = performance.now() + 10_000; performance.now() < end; await delay(50)) {
      if ((await readdir(`/proc/${await hostPid(state())}/fd`)).length <= before) break;
    }
    expect((await readdir(`/proc/${await hostPid(state())}/fd`)).length).toBeLessThanOrEqual(before);
    (await booted.connect(CONTROL)).destroy();
  });

  it('takes everything with it when its host program is killed, and the next launch is not disturbed', async () => {
    await boot();
    const pid = await hostPid(state());
    const processes = await processesBelow(pid);
    process.kill(pid, 'SIGKILL');
    expect(await vm?.exited).toMatchObject({ reason: 'lost', code: null });
    expect(await survivors(processes)).toEqual([]);
    await boot();
  });

  it('keeps the end of the guest’s console, and no more than it may', async () => {
    const file = join(state(), 'console.log');
    await writeFile(file, 'x'.repeat(4000));
    const commandLine = ['ignore_loglevel', 'initcall_debug', `zlayer.ready=${READY}`].join(' ');
    await boot({ commandLine, consoleBytes: 4096 });
    for (const end = performance.now() + 10_000; performance.now() < end; await delay(50)) {
      if (/initcall/.test(await readFile(file, 'utf8'))) break;
    }
    const text = await readFile(file, 'utf8');
    expect(text).toMatch(/^x{1000,2048}[^x][\s\S]*initcall/);
    expect(text.length).toBeLessThanOrEqual(4096);
  });

  it('refuses in the framework’s own words, names the file, and leaves nothing', async () => {
    const disk = join(directory, 'disk');
    await writeFile(disk, '');
    await truncate(disk, 1000);
    const refusals: [Partial<VmConfig>, RegExp][] = [
      [{ disks: [{ path: disk, readOnly: true, serial: 'odd' }] }, /disk odd \(.*\/disk\): Invalid disk image/],
      [{ cpus: 1000 }, /number of CPUs exceeds the maximum/],
      [{ memoryBytes: 64 * 1024 ** 2 }, /memory size is below the minimum/],
      [{ kernel: '/no/such/kernel' }, /kernel file does not exist/],
      [{ network: { type: 'user', mac: '03:00:00:00:00:01' } }, /not a unicast address/],
    ];
    for (const [change, message] of refusals) {
      await expect(driver.launch(await configuration(change))).rejects.toMatchObject({
        code: 'START_FAILED',
        message: expect.stringMatching(message),
      });
    }
  });

  it('says that the entitlement is missing, before and when a machine is launched', async () => {
    const before = process.env['VZ_DOUBLE_ENTITLEMENTS'];
    delete process.env['VZ_DOUBLE_ENTITLEMENTS'];
    try {
      expect(await driver.availability()).toMatchObject({
        available: false,
        reason: expect.stringContaining('com.apple.security.virtualization'),
        remedy: expect.stringContaining('signProgram'),
      });
      await expect(driver.launch(await configuration())).rejects.toThrow(/entitlement/);
    } finally {
      process.env['VZ_DOUBLE_ENTITLEMENTS'] = before;
    }
    expect(await driver.availability()).toEqual({ available: true });
  });

  it('refuses guests of another architecture', async () => {
    await expect(driver.launch(await configuration({ architecture: 'amd64' }))).rejects.toMatchObject({
      code: 'START_FAILED',
      remedy: expect.stringContaining('linux/arm64'),
    });
  });
});
