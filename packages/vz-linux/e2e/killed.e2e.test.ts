import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { isRunning, processesBelow, survivors } from '@zlayer/test-support';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { VzLinuxRuntime } from '../src/index.ts';
import { DOUBLE } from './double.ts';
import { hostPid } from './processes.ts';

const OWNED = { service: 'owned', replica: 0 };
const LINES = 1000;

describe('a container whose processes are killed', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let owner: ChildProcess;
  const state = (): string => join(dataDir, 'vz-linux', 'containers', 'owned-0');
  const spec = (onOwnerExit: 'keep' | 'stop'): ServiceSpecInput => ({
    image: served.images.plain,
    platform: `linux/${DOUBLE.architecture}`,
    command: { args: ['sh', '-c', `i=0; while [ $i -lt ${LINES} ]; do echo $i; i=$((i+1)); done; sleep 1000`] },
    lifecycle: { onOwnerExit },
  });

  beforeAll(async () => {
    served = await serveBusybox({ architectures: [DOUBLE.architecture], images: { plain: {} } });
  });
  afterAll(() => served?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-vz-killed-'));
  });
  afterEach(async () => {
    owner.kill('SIGKILL');
    await using runtime = new VzLinuxRuntime({ dataDir, ...DOUBLE });
    await runtime.removeContainer(OWNED, { force: true });
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Starts it from another process, and returns all of the machine's. */
  const start = async (onOwnerExit: 'keep' | 'stop'): Promise<number[]> => {
    const script = join(import.meta.dirname, 'owner.ts');
    owner = spawn(process.execPath, [script, dataDir, JSON.stringify(spec(onOwnerExit))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(owner, 'exit').then(() => ['nothing']);
    if (owner.stdout === null) throw new Error('the other process has no output');
    const [said] = await Promise.race([once(owner.stdout, 'data'), exited]);
    expect(String(said)).toBe('running\n');
    const pid = await hostPid(state());
    return [pid, ...(await processesBelow(pid))];
  };

  it('ends with its program, and is found ended by the next one', async () => {
    const processes = await start('stop');
    owner.kill('SIGKILL');
    expect(await survivors(processes)).toEqual([]);
    await using runtime = new VzLinuxRuntime({ dataDir, ...DOUBLE });
    expect(await runtime.recover()).toMatchObject([{ id: OWNED, state: { status: 'failed' } }]);
  });

  it('runs on without its program if it is kept, and no line of its output is lost', async () => {
    const processes = await start('keep');
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    await using runtime = new VzLinuxRuntime({ dataDir, ...DOUBLE });
    expect(await runtime.recover()).toMatchObject([{ id: OWNED, state: { status: 'running' } }]);
    expect(processes.every(isRunning)).toBe(true);
    const lines: string[] = [];
    for await (const { data } of runtime.logsStream(OWNED, { follow: true })) {
      lines.push(Buffer.from(data).toString().trim());
      if (lines.length === LINES) break;
    }
    expect(lines).toEqual(Array.from({ length: LINES }, (_, index) => String(index)));
    await runtime.removeContainer(OWNED, { force: true });
    expect(await survivors(processes)).toEqual([]);
  });

  it('is lost, and not orphaned, with its host program', async () => {
    const [pid = 0, ...emulators] = await start('keep');
    owner.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    expect(await survivors([pid, ...emulators])).toEqual([]);
    await using runtime = new VzLinuxRuntime({ dataDir, ...DOUBLE });
    expect(await runtime.recover()).toMatchObject([{ id: OWNED, state: { status: 'failed' } }]);
    expect(await runtime.waitContainer(OWNED)).toMatchObject({ exitCode: undefined });
    await runtime.startContainer(OWNED);
    expect(await runtime.exec(OWNED, ['echo', 'again'])).toMatchObject({ exitCode: 0, stdoutText: 'again\n' });
    await runtime.removeContainer(OWNED, { force: true });
    expect(await readdir(join(state(), '..'))).toEqual([]);
  });
});
