import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removeRunDirectory, runDirectory, type Vm, type VmConfig } from '@zlayer/host';
import { survivors } from '@zlayer/test-support';
import { kernelArguments, resolveGuest } from '@zlayer/vzagent';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QemuDriver } from '../src/index.ts';
import { machineProcesses } from './processes.ts';

const READY = 1025;
const CONTROL = 1024;

describe('QemuDriver', () => {
  const driver = new QemuDriver();
  let directory: string;
  let vm: Vm | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-driver-'));
    await mkdir(join(directory, 'share'));
    await mkdir(join(directory, 'state'));
  });
  afterEach(async () => {
    await vm?.kill();
    vm = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  const configuration = async (change: Partial<VmConfig> = {}): Promise<VmConfig> => {
    const { kernel, initramfs } = await resolveGuest({ architecture: 'arm64' });
    return {
      stateDirectory: join(directory, 'state'),
      architecture: 'arm64',
      kernel,
      initramfs,
      commandLine: [...kernelArguments('arm64'), 'rootfstag=rootfs', `zlayer.ready=${READY}`].join(' '),
      cpus: 1,
      memoryBytes: 256 * 1024 ** 2,
      shares: [{ tag: 'rootfs', path: join(directory, 'share'), readOnly: true }],
      disks: [],
      network: { type: 'user' },
      consoleFile: join(directory, 'state', 'console.log'),
      onOwnerExit: 'stop',
      ...change,
    };
  };

  /** The place for sockets is empty, because it is new. */
  const expectNoSockets = async (stateDirectory: string): Promise<void> => {
    const before = await readdir(dirname(await runDirectory('another machine')));
    const sockets = await runDirectory(stateDirectory);
    expect(before).not.toContain(basename(sockets));
    await removeRunDirectory(sockets);
    await removeRunDirectory(await runDirectory('another machine'));
  };

  const boot = async (): Promise<Vm> => {
    const ready = Promise.withResolvers<void>();
    const listen = new Map([[READY, () => ready.resolve()]]);
    vm = await driver.launch(await configuration(), { listen });
    await ready.promise;
    return vm;
  };

  it('is reached after hundreds of callers were killed in the midst of a call', async () => {
    const machine = await boot();
    const door = join(await runDirectory(join(directory, 'state')), 'door.sock');
    for (let i = 0; i < 300; i += 1) {
      const caller = connect(door);
      caller.on('error', () => {});
      await new Promise((resolve) => caller.write(`CONNECT ${CONTROL}\n`, resolve));
      // The system closes the socket of a killed process as this does: at whatever moment.
      if (i % 3 > 0) await delay(i % 7);
      caller.destroy();
    }
    (await machine.connect(CONTROL, { signal: AbortSignal.timeout(10_000) })).destroy();
  });

  it('launches, connects, pauses, resumes, is found again by its state directory, and kills', async () => {
    const first = await boot();
    (await first.connect(CONTROL)).destroy();
    await expect(first.connect(4711)).rejects.toMatchObject({ code: 'NETWORK' });

    const found = await driver.attach(join(directory, 'state'));
    expect(found.state).toBe('running');
    await found.pause();
    expect(found.state).toBe('paused');
    await expect(found.connect(CONTROL)).rejects.toMatchObject({ code: 'CONFLICT' });
    await found.resume();
    (await found.connect(CONTROL)).destroy();
    // A press of the power button is the guest's to answer; this one has nobody who does.
    await found.requestStop();
    await delay(200);
    expect(found.state).toBe('running');

    const processes = await machineProcesses(join(directory, 'state'));
    // QEMU was asked, and has put its disks in order, instead of being killed.
    expect(await found.kill()).toMatchObject({ reason: 'stopped', code: 0, signal: null });
    expect(await first.exited).toMatchObject({ reason: 'stopped' });
    expect(first.state).toBe('stopped');
    expect(await survivors(processes)).toEqual([]);
    expect((await (await driver.attach(join(directory, 'state'))).exited).reason).toBe('stopped');
    await expectNoSockets(join(directory, 'state'));
    await expect(driver.attach(join(directory, 'share'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('kills a machine that stands still and cannot be asked', async () => {
    const paused = await boot();
    await paused.pause();
    expect(await paused.kill()).toMatchObject({ reason: 'stopped', code: null, signal: 9 });
  });

  it('shares a read-only directory from where it cannot be written, and keeps its sockets to the user', async () => {
    await boot();
    const status = JSON.parse(await readFile(join(directory, 'state', 'vm.json'), 'utf8'));
    const { pid } = status.helpers.find(({ name }: { name: string }) => name === 'virtiofsd-rootfs');
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, 'utf8')).split('\n').map((line) => line.split(' '));
    // virtiofsd has made the share its own root. (Its path is told from the root of its file system.)
    const root = mounts.find(([, , , , place]) => place === '/');
    expect(root?.[3]?.endsWith(join(directory, 'share'))).toBe(true);
    expect(root?.[5]?.split(',')).toContain('ro');
    await writeFile(join(directory, 'share', 'file'), 'the host itself can write\n');
    const sockets = await runDirectory(join(directory, 'state'));
    for (const path of [sockets, dirname(sockets)]) expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['a kernel that is not there', { kernel: '/nowhere/kernel' }],
    ['a share that is not there', { shares: [{ tag: 'rootfs', path: '/nowhere', readOnly: false }] }],
  ])('does not start with %s, says so, and leaves nothing', async (_, change) => {
    const config = await configuration(change);
    try {
      vm = await driver.launch(config);
      // QEMU itself may have started before it found the fault.
      const exit = await vm.exited;
      expect(exit.reason).not.toBe('stopped');
      expect(exit.message).toMatch(/kernel|passwd/);
    } catch (error) {
      expect(error).toMatchObject({ code: 'START_FAILED', message: expect.stringMatching(/nowhere|kernel|passwd/) });
    }
    await expectNoSockets(config.stateDirectory);
  });

  it('gives up a launch when asked to', async () => {
    const controller = new AbortController();
    const config = await configuration();
    const launch = driver.launch(config, { signal: controller.signal });
    controller.abort(new Error('never mind'));
    await expect(launch).rejects.toThrow('never mind');
    await expectNoSockets(config.stateDirectory);
  });
});
