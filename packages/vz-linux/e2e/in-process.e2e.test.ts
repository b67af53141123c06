import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { processesBelow, survivors } from '@zlayer/test-support';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { VzDriver, VzLinuxRuntime } from '../src/index.ts';
import { IN_PROCESS } from './double.ts';

const id = { service: 'inside', replica: 0 };

describe('containers whose machines are in the Node process, over the double of the framework', () => {
  let directory: string;
  let served: ServedImages<'plain'>;
  let runtime: VzLinuxRuntime;
  const dataDir = (): string => join(directory, 'data');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-inside-'));
    served = await serveBusybox({ architectures: ['arm64'], images: { plain: {} } });
    runtime = new VzLinuxRuntime({ dataDir: dataDir(), ...IN_PROCESS });
  });
  afterEach(() => runtime.removeContainer(id, { force: true }));
  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const spec = (more: Partial<ServiceSpecInput> = {}): ServiceSpecInput => ({
    image: served.images.plain,
    platform: 'linux/arm64',
    command: {
      args: ['sh', '-c', "trap 'exit 7' TERM; echo ready; while :; do (echo answer | nc -l -p 7777) & wait $!; done"],
    },
    ...more,
  });
  const start = async (more?: Partial<ServiceSpecInput>): Promise<void> => {
    await runtime.createContainer(id, spec(more));
    await runtime.startContainer(id);
  };
  const logged = async (): Promise<string> =>
    Buffer.concat((await runtime.containerLogs(id)).map(({ data }) => data)).toString();

  it('run, serve, log, share a folder, pause and stop as those of a vz-host do, without one', async () => {
    await mkdir(join(directory, 'shared'));
    await writeFile(join(directory, 'shared/file'), 'of the host\n');
    const storage = [{ type: 'bind', source: join(directory, 'shared'), target: '/shared' }] as const;
    // The registry is below this process as well.
    const others = await processesBelow(process.pid);
    await start({ ports: [7777], storage: [...storage] });
    const emulators = (await processesBelow(process.pid)).filter((pid) => !others.includes(pid));
    expect(emulators.length).toBeGreaterThan(0);
    expect(await runtime.exec(id, ['cat', '/shared/file'])).toMatchObject({ stdoutText: 'of the host\n' });
    const [mapping] = await runtime.portMappings(id);
    const answer = async () => await text(createConnection(mapping?.hostPort ?? 0, '127.0.0.1')).catch(() => '');
    await expect.poll(answer, { timeout: 20_000 }).toBe('answer\n');
    const many = Array.from({ length: 20 }, (_, i) => runtime.exec(id, ['echo', `exec ${i}`]));
    expect((await Promise.all(many)).map(({ stdoutText }) => stdoutText)).toEqual(many.map((_, i) => `exec ${i}\n`));
    const input = Buffer.alloc(2_000_000, 'x');
    expect((await runtime.exec(id, ['wc', '-c'], { input })).stdoutText.trim()).toBe('2000000');
    expect((await runtime.exec(id, ['head', '-c', '5000000', '/dev/zero'])).stdout.length).toBe(5_000_000);

    await runtime.pauseContainer(id);
    await expect(runtime.exec(id, ['true'])).rejects.toMatchObject({ code: 'CONFLICT' });
    await runtime.unpauseContainer(id);
    expect(await logged()).toContain('ready\n');
    await runtime.stopContainer(id);
    expect(await runtime.waitContainer(id)).toMatchObject({ exitCode: 7 });
    expect(await survivors(emulators)).toEqual([]);
    await runtime.startContainer(id);
    expect(await runtime.exec(id, ['true'])).toMatchObject({ exitCode: 0 });
  });

  it('cannot be kept beyond their program, which is said before anything is made', async () => {
    expect(runtime.capabilities().containers.keep).toBe(false);
    const kept = runtime.createContainer(id, spec({ lifecycle: { onOwnerExit: 'keep' } }));
    await expect(kept).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('keep') });
    await expect(runtime.inspectContainer(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'end with their program when it is ended by %s, and the next one is told so',
    async (signal) => {
      const owner = join(import.meta.dirname, 'in-process-owner.ts');
      const child = spawn(process.execPath, [owner, dataDir(), JSON.stringify(spec())], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const emulators = await processesBelow(child.pid ?? 0);
      expect(emulators.length).toBeGreaterThan(0);
      child.kill(signal);
      await once(child, 'exit');
      expect(await survivors(emulators)).toEqual([]);
      await using heir = new VzLinuxRuntime({ dataDir: dataDir(), ...IN_PROCESS });
      const [found] = await heir.recover();
      expect(found).toMatchObject({ id, state: { status: expect.stringMatching(/^(exited|failed)$/) } });
      expect(await heir.inspectContainer(id)).toMatchObject({
        exit: { message: expect.stringContaining('ended with the program that it belonged to') },
      });
      await heir.startContainer(id);
      expect(await heir.exec(id, ['echo', 'again'])).toMatchObject({ stdoutText: 'again\n' });
      await heir.removeContainer(id, { force: true });
    },
    60_000,
  );

  it('leave nothing when the framework refuses one, in whose words it is told', async () => {
    const driver = new VzDriver(IN_PROCESS);
    const stateDirectory = join(directory, 'refused');
    await mkdir(stateDirectory);
    const launch = driver.launch({
      ...{ stateDirectory, architecture: 'arm64', kernel: '/no/such/kernel', initramfs: '/no/such/initramfs' },
      ...{ commandLine: 'quiet', cpus: 1, memoryBytes: 256 * 1024 ** 2, shares: [], disks: [] },
      ...{ network: { type: 'none' }, consoleFile: join(stateDirectory, 'console.log'), onOwnerExit: 'stop' },
    });
    await expect(launch).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('kernel file does not exist'),
    });
    expect(await readdir(stateDirectory)).toEqual(['console.log']);
    await expect(driver.attach(stateDirectory)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('say that this program is not entitled, and what to do', async () => {
    const { hosting, addon, architecture } = IN_PROCESS;
    const script = `import { VzDriver } from ${JSON.stringify(join(import.meta.dirname, '../src/index.ts'))};
      const driver = new VzDriver(${JSON.stringify({ hosting, addon, architecture })});
      console.log(JSON.stringify(await driver.availability()));`;
    const { VZ_DOUBLE_ENTITLEMENTS: _, ...env } = process.env;
    const args = ['--input-type=module-typescript', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    expect(JSON.parse(stdout)).toEqual({
      available: false,
      reason: `${process.execPath} does not carry the entitlement com.apple.security.virtualization`,
      remedy: "Sign the program with it, or use `hosting: 'process'`.",
    });
    expect(await new VzDriver(IN_PROCESS).availability()).toEqual({ available: true });
  });
});
