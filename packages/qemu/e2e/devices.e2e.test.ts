import { once } from 'node:events';
import { mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Vm, VmConfig } from '@zlayer/host';
import { kernelArguments } from '@zlayer/vzagent';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { QemuDriver } from '../src/index.ts';
import { makeProbeGuest, type ProbeGuest, scratchFolder } from './probe-guest/probe-guest.ts';

const MIB = 1024 ** 2;

describe('the devices of a QEMU machine', () => {
  const driver = new QemuDriver();
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let guest: ProbeGuest;
  let state: string;
  let vm: Vm | undefined;

  beforeAll(async () => {
    scratch = await scratchFolder();
    guest = await makeProbeGuest(scratch.path);
  });
  afterAll(() => scratch[Symbol.asyncDispose]());
  beforeEach(async () => {
    state = join(scratch.path, 'state');
    await mkdir(state);
  });
  afterEach(async () => {
    await vm?.kill();
    vm = undefined;
    await rm(state, { recursive: true, force: true });
  });

  const launch = async (words: string, change: Partial<VmConfig> = {}): Promise<Vm> => {
    vm = await driver.launch({
      stateDirectory: state,
      architecture: 'arm64',
      ...guest,
      commandLine: [...kernelArguments('arm64'), 'rdinit=/init', words].join(' '),
      cpus: 1,
      memoryBytes: 256 * MIB,
      shares: [],
      disks: [],
      network: { type: 'none' },
      consoleFile: join(state, 'console.log'),
      onOwnerExit: 'stop',
      ...change,
    });
    return vm;
  };
  const consoleText = (): Promise<string> => readFile(join(state, 'console.log'), 'utf8').catch(() => '');
  const probed = async (): Promise<string> => {
    for (;;) {
      const text = await consoleText();
      if (text.includes('probe done')) return text.replaceAll('\r', '');
      if (vm?.state === 'stopped') throw new Error(`the guest ended: ${text}`);
      await delay(50);
    }
  };

  it('are disks that the guest finds by serial, writes or only reads, and discards from', async () => {
    const image = join(scratch.path, 'image, with comma');
    const volume = join(scratch.path, 'volume');
    await writeFile(image, 'image'.padEnd(MIB, '.'));
    await writeFile(volume, Buffer.alloc(16 * MIB, 'v'));
    const machine = await launch('probe.end=stay', {
      disks: [
        { path: image, readOnly: true, serial: 'rootfs' },
        { path: volume, readOnly: false, serial: 'volume-0123456789abc' },
      ],
    });
    const text = await probed();
    expect(text).toContain('disk serial=rootfs sectors=2048 begins=image written=0 discarded=0\n');
    expect(text).toContain('disk serial=volume-0123456789abc sectors=32768 begins=vvvvv written=1 discarded=1\n');
    await machine.kill();
    expect((await readFile(image, 'utf8')).slice(0, 6)).toBe('image.');
    // What the guest had flushed outlives the machine's sudden end; what it discarded takes no room.
    expect((await readFile(volume)).subarray(0, MIB).equals(Buffer.alloc(MIB, 'w'))).toBe(true);
    expect((await stat(volume)).blocks * 512).toBeLessThanOrEqual(12 * MIB);
  });

  it('are a network to the host, unless it is restricted or there is none', async () => {
    const server = createServer((client) => client.on('error', () => undefined).end('hello guest')).listen(
      0,
      '127.0.0.1',
    );
    try {
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const mac = '52:54:00:12:34:56';
      await launch(`probe.connect=${port} probe.end=stay`, { network: { type: 'user', mac } });
      const open = await probed();
      expect(open).toContain(`network mac=${mac}\n`);
      expect(open).toContain('host connected=1 says=hello guest\n');
      await vm?.kill();
      await rm(join(state, 'console.log'));
      await launch(`probe.connect=${port} probe.end=stay`, { network: { type: 'user', mac, restricted: true } });
      expect(await probed()).toContain('host connected=0 says=\n');
      await vm?.kill();
      await rm(join(state, 'console.log'));
      await launch(`probe.connect=${port} probe.end=stay`);
      expect(await probed()).toContain('network mac=\n');
    } finally {
      server.close();
    }
  });

  it('are a balloon that takes memory from the guest and gives it back, and figures of what the machine costs', async () => {
    const machine = await launch('probe.end=stay');
    await probed();
    const reach = async (bytes: number): Promise<void> => {
      await machine.setMemoryTarget?.(bytes);
      for (const end = performance.now() + 20_000; performance.now() < end; await delay(50)) {
        if ((await machine.memory?.())?.actualBytes === bytes) return;
      }
      throw new Error(`the guest has ${JSON.stringify(await machine.memory?.())}`);
    };
    expect(await machine.memory?.()).toEqual({ totalBytes: 256 * MIB, actualBytes: 256 * MIB });
    await reach(128 * MIB);
    const statistics = await machine.statistics?.();
    expect(statistics?.processes).toBe(5);
    expect(statistics?.residentBytes).toBeGreaterThan(20 * MIB);
    expect(statistics?.residentBytes).toBeLessThan(1024 * MIB);
    expect(statistics?.cpuTimeNs).toBeGreaterThan(100_000_000n);
    await reach(256 * MIB);
    await expect(machine.setMemoryTarget?.(MIB)).rejects.toMatchObject({ code: 'INVALID_SPEC' });
    await expect(machine.setMemoryTarget?.(257 * MIB)).rejects.toMatchObject({ code: 'INVALID_SPEC' });
    const found = await driver.attach(state);
    expect((await found.memory?.())?.totalBytes).toBe(256 * MIB);
    await machine.pause();
    await expect(machine.memory?.()).rejects.toMatchObject({ code: 'CONFLICT' });
    await machine.resume();
    expect((await machine.memory?.())?.actualBytes).toBe(256 * MIB);
    await machine.kill();
    expect(await machine.statistics?.()).toEqual({ processes: 0 });
  });

  it('do not let a guest fill the disk with its console', async () => {
    await launch('probe.end=flood', { consoleBytes: 64 * 1024 });
    await probed();
    const numbers = async (): Promise<number[]> =>
      [...(await consoleText()).matchAll(/^line (\d+) of/gm)].map(([, number]) => Number(number));
    for (let first = 0; first < 3000; await delay(100)) {
      expect((await stat(join(state, 'console.log'))).size).toBeLessThanOrEqual(64 * 1024);
      first = (await numbers())[0] ?? 0;
    }
    const kept = await numbers();
    expect(kept).toEqual(kept.map((_, index) => (kept[0] ?? 0) + index));
  });

  it.each([
    ['off', 'powered-off'],
    ['reset', 'reset'],
  ])('tell what the guest did to end the machine: %s', async (word, guestEnd) => {
    const machine = await launch(`probe.end=${word}`);
    expect(await machine.exited).toMatchObject({ reason: 'exited', code: 0, guest: guestEnd });
  });

  it('are refused when QEMU would misread them, and nothing is started', async () => {
    const disk = join(scratch.path, 'disk');
    await writeFile(disk, '');
    await truncate(disk, MIB);
    const twice = { path: disk, readOnly: true, serial: 'twice' };
    await expect(launch('', { disks: [twice, twice] })).rejects.toMatchObject({ code: 'INVALID_SPEC' });
    await expect(driver.attach(state)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
