import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuDriver, QemuRuntime } from '../src/index.ts';

const id = { service: 'memory', replica: 0 };
const MIB = 1024 ** 2;

describe('the memory of a guest', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let runtime: QemuRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-memory-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
    runtime = new QemuRuntime({ dataDir });
  });
  afterAll(async () => {
    await runtime?.removeContainer(id, { force: true });
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it.each(['amd64', 'arm64'] as const)('that a workload frees goes back to the host (%s)', async (architecture) => {
    await runtime.createContainer(id, {
      image: served.images.plain,
      platform: `linux/${architecture}`,
      command: { args: ['sleep', '1000'] },
      storage: [{ type: 'tmpfs', target: '/big' }],
      resources: { memory: '1Gi' },
    });
    await runtime.startContainer(id);
    const { directory = '' } = await runtime.inspectContainer(id);
    const machine = await new QemuDriver().attach(directory);
    const resident = async (): Promise<number> => (await machine.statistics?.())?.residentBytes ?? 0;
    const shell = async (script: string): Promise<void> => {
      expect((await runtime.exec(id, ['sh', '-c', script])).exitCode).toBe(0);
    };

    const before = await resident();
    expect(before).toBeGreaterThan(0);
    await shell('head -c 200000000 /dev/zero | tr "\\0" x > /big/file');
    const full = await resident();
    expect(full - before).toBeGreaterThan(150 * MIB);
    await shell('rm /big/file');
    await expect.poll(resident, { timeout: 60_000, interval: 500 }).toBeLessThan(before + 60 * MIB);
    await runtime.removeContainer(id, { force: true });
  });
});
