import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';
import { isRunning, machineProcesses, survivors } from './processes.ts';

describe('a program that is killed', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-owner-'));
    served = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('takes its machines with it', async () => {
    const script = join(import.meta.dirname, 'owner.ts');
    const owner = spawn(process.execPath, [script, dataDir, served.images.plain], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = await once(owner.stdout, 'data');
      expect(String(line)).toBe('running\n');
      const processes = await machineProcesses(join(dataDir, 'qemu', 'containers', 'owned-0'));
      expect(processes.every(isRunning)).toBe(true);
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      expect(await survivors(processes)).toEqual([]);

      // What it has left does not stand in the way of the next program.
      const id = { service: 'owned', replica: 0 };
      await using runtime = new QemuRuntime({ dataDir });
      await runtime.createContainer(id, { image: served.images.plain, command: { args: ['true'] } });
      expect(await runtime.containerState(id)).toEqual({ status: 'pending' });
      await using other = new QemuRuntime({ dataDir });
      const again = other.createContainer(id, { image: served.images.plain, command: { args: ['true'] } });
      await expect(again).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    } finally {
      owner.kill('SIGKILL');
    }
  });
});
