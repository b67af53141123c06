import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Vm, VmConfig } from '@zlayer/host';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { processesBelow, survivors } from '@zlayer/test-support';
import { resolveGuest } from '@zlayer/vzagent';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KrunDriver, type KrunDriverOptions, KrunRuntime } from '../src/index.ts';
import { hasDefaultRoute } from '../src/passt.ts';
import { krunDouble, withoutJail } from './double.ts';

const id = { service: 'krun', replica: 0 };

describe.skipIf(withoutJail !== undefined)('machines of libkrun, over its double (needs Landlock)', () => {
  let place: string;
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let double: KrunDriverOptions;
  const older = new Map<number, KrunDriverOptions>();

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'zlayer-krun-'));
    served = await serveBusybox({ architectures: ['arm64'], images: { plain: {} } });
    for (const version of [17, 18]) {
      const folder = join(place, `1.${version}`);
      await mkdir(folder);
      older.set(version, await krunDouble(folder, [`KRUN_DOUBLE_VERSION=${version}`]));
    }
    double = await krunDouble(place);
  }, 120_000);
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(place, { recursive: true, force: true });
  });
  beforeEach(async () => {
    dataDir = await mkdtemp(join(place, 'data-'));
  });
  afterEach(async () => {
    await using runtime = new KrunRuntime({ dataDir, ...double });
    await runtime.removeContainer(id, { force: true });
  });

  const spec = (more: Partial<ServiceSpecInput> = {}): ServiceSpecInput => ({
    image: served.images.plain,
    platform: 'linux/arm64',
    command: { args: ['sleep', '10000'] },
    ...more,
  });
  const output = async (
    runtime: KrunRuntime,
    command: string,
  ): Promise<{ exitCode: number | undefined; out: string }> => {
    const { exitCode, stdout, stderr } = await runtime.exec(id, ['sh', '-c', command]);
    return { exitCode, out: Buffer.concat([stdout, stderr]).toString().trim() };
  };

  it.each([17, 18])(
    'of version 1.%i run a container, with libkrun’s own init in front of ours',
    async (version) => {
      await using runtime = new KrunRuntime({ dataDir, ...double, ...older.get(version) });
      await runtime.createContainer(id, spec({ storage: [{ type: 'anonymous', target: '/data' }] }));
      await runtime.startContainer(id);
      expect(await output(runtime, 'echo kept > /data/file; cat /data/file')).toEqual({ exitCode: 0, out: 'kept' });
      await runtime.stopContainer(id, { timeoutMs: 0 });
    },
    60_000,
  );

  it('run a container on the kernel of the guest bundle', async () => {
    await using runtime = new KrunRuntime({ dataDir, ...double, kernel: 'bundle' });
    await runtime.createContainer(id, spec());
    await runtime.startContainer(id);
    expect((await output(runtime, 'uname -r')).out).toContain('arm64');
    expect(runtime.capabilities().network.overlay).toBe(true);
  }, 60_000);

  it('have as many shares as a container asks for', async () => {
    await using runtime = new KrunRuntime({ dataDir, ...double });
    const names = Array.from({ length: 6 }, (_, index) => `share${index}`);
    for (const name of names) {
      await mkdir(join(dataDir, name));
      await writeFile(join(dataDir, name, 'name'), `${name}\n`);
    }
    const storage = names.map((name, index) => ({
      ...{ type: 'bind' as const, source: join(dataDir, name), target: `/${name}`, readOnly: index % 2 === 0 },
    }));
    await runtime.createContainer(id, spec({ storage }));
    await runtime.startContainer(id);
    const { out } = await output(
      runtime,
      'for i in 0 1 2 3 4 5; do cat /share$i/name; touch /share$i/new 2>/dev/null; done',
    );
    expect(out.split('\n')).toEqual(names);
    const written = await Promise.all(names.map(async (name) => (await readdir(join(dataDir, name))).includes('new')));
    expect(written).toEqual([false, true, false, true, false, true]);
  }, 60_000);

  it('do not let a guest out of its share, though libkrun does', async () => {
    process.env['KRUN_DOUBLE_OUTSIDE'] = '1';
    try {
      const shared = join(dataDir, 'shared');
      const outside = join(dataDir, 'outside');
      for (const folder of [shared, outside]) await mkdir(folder);
      for (const folder of [shared, outside]) await writeFile(join(folder, 'file'), 'content\n', { mode: 0o666 });
      await using runtime = new KrunRuntime({ dataDir, ...double });
      const storage = [{ type: 'bind' as const, source: shared, target: '/shared' }];
      await runtime.createContainer(id, spec({ storage, capabilities: { add: ['SYS_ADMIN'] } }));
      await runtime.startContainer(id);
      // The whole host, as far as its process has it: what is shared is there.
      expect(
        await output(runtime, `mkdir /host && mount -t virtiofs outside /host && cat /host${shared}/file`),
      ).toEqual({
        ...{ exitCode: 0, out: 'content' },
      });
      const tries = [
        ...[`cat /host${outside}/file`, `ls /host${outside}`, `echo x > /host${outside}/file`],
        ...['cat /host/etc/shadow', 'cat /host/etc/passwd', `mv /host${shared}/file /host${outside}/moved`],
        ...[`ln -s /x /host${outside}/link`, 'echo x > /host/usr/written', `rm /host${outside}/file`],
      ];
      for (const command of tries) {
        const { exitCode, out } = await output(runtime, command);
        expect({ command, exitCode, out }).toEqual({
          command,
          exitCode: 1,
          out: expect.stringMatching(/denied|not permitted/),
        });
      }
      expect(await readdir(outside)).toEqual(['file']);
      expect(await readFile(join(outside, 'file'), 'utf8')).toBe('content\n');
    } finally {
      delete process.env['KRUN_DOUBLE_OUTSIDE'];
    }
  }, 60_000);

  it('reach the outside through passt, and nothing without it', async ({ skip }) => {
    skip(!(await hasDefaultRoute()), 'this machine has no way to the outside itself');
    await using runtime = new KrunRuntime({ dataDir, ...double });
    expect(await runtime.availability()).toMatchObject({ notes: [expect.any(String), 'network by passt'] });
    await runtime.createContainer(id, spec());
    await runtime.startContainer(id);
    expect((await output(runtime, 'ip route')).out).toContain('default via');
    await runtime.removeContainer(id, { force: true });
    await using alone = new KrunRuntime({ dataDir, ...double, passt: null });
    expect(await alone.availability()).toMatchObject({
      notes: [expect.any(String), expect.stringContaining('no connections')],
    });
    await alone.createContainer(id, spec());
    await alone.startContainer(id);
    expect((await output(alone, 'ip route; ls /sys/class/net')).out).toBe('lo');
  }, 60_000);

  const config = async (): Promise<VmConfig> => {
    const stateDirectory = await mkdtemp(join(dataDir, 'state-'));
    const { kernel, initramfs } = await resolveGuest({ architecture: 'arm64' });
    return {
      ...{ stateDirectory, architecture: 'arm64', kernel, initramfs, commandLine: 'zlayer.ready=1025', cpus: 1 },
      ...{ memoryBytes: 256 * 1024 ** 2, shares: [], disks: [], network: { type: 'none' }, onOwnerExit: 'stop' },
      consoleFile: join(stateDirectory, 'console.log'),
    };
  };
  const hostPid = async (folder: string): Promise<number> =>
    (JSON.parse(await readFile(join(folder, 'vm.json'), 'utf8')) as { pid: number }).pid;
  const mainPid = async (folder: string): Promise<number> =>
    (JSON.parse(await readFile(join(folder, 'vm.json'), 'utf8')) as { main: { pid: number } }).main.pid;

  it('leave nothing behind when their process is killed, at whatever moment', async () => {
    const driver = new KrunDriver(double);
    for (const after of [0, 5, 20, 60, 150, 400, 900]) {
      const machine = await config();
      const vm: Vm = await driver.launch(machine);
      const host = await hostPid(machine.stateDirectory);
      const processes = [host, ...(await processesBelow(host))];
      await delay(after);
      process.kill(await mainPid(machine.stateDirectory), 'SIGKILL');
      const exit = await vm.exited;
      expect(exit).toMatchObject({ code: null, signal: 9, reason: 'exited' });
      expect(await survivors(processes)).toEqual([]);
    }
  }, 60_000);

  it('end with their host program, also when that is killed', async () => {
    const machine = await config();
    const vm = await new KrunDriver(double).launch(machine);
    const host = await hostPid(machine.stateDirectory);
    const processes = [host, ...(await processesBelow(host))];
    expect(processes.length).toBeGreaterThan(3);
    process.kill(host, 'SIGKILL');
    expect(await vm.exited).toMatchObject({ code: null, reason: 'lost' });
    expect(await survivors(processes)).toEqual([]);
  });

  it('say why there is no machine, in libkrun’s own words', async () => {
    const driver = new KrunDriver(double);
    const machine = await config();
    const missing = [{ path: join(dataDir, 'missing'), readOnly: true, serial: 'disk' }];
    const vm = await driver.launch({ ...machine, disks: missing });
    expect(await vm.exited).toMatchObject({ code: 121, message: expect.stringContaining('missing') });
    const firmware = process.env['KRUN_DOUBLE_FIRMWARE'];
    delete process.env['KRUN_DOUBLE_FIRMWARE'];
    try {
      const without = await driver.launch(await config());
      expect(await without.exited).toMatchObject({ code: 121, message: expect.stringContaining('libkrunfw') });
    } finally {
      process.env['KRUN_DOUBLE_FIRMWARE'] = firmware;
    }
    const tooMany = { ...(await config()), cpus: availableParallelism() + 1 };
    await expect(driver.launch(tooMany)).rejects.toMatchObject({ code: 'INVALID_SPEC' });
    const other = { ...(await config()), architecture: 'amd64' as const };
    await expect(driver.launch(other)).rejects.toMatchObject({ code: 'START_FAILED' });
    await expect(driver.attach(dataDir)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }, 60_000);
});
