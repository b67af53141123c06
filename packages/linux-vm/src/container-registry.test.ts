import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VmDriver } from '@zlayer/host';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LinuxVmRuntime } from './linux-vm-runtime.ts';

const id = { service: 'web', replica: 0 };

describe('what lies in a data directory', () => {
  let dataDir: string;
  let runtime: LinuxVmRuntime;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-registry-'));
    // Nothing is launched or looked for here.
    runtime = new LinuxVmRuntime({ name: 'test', driver: {} as VmDriver, dataDir });
    await mkdir(join(dataDir, 'test', 'containers', 'web-0'), { recursive: true });
  });
  afterEach(async () => {
    await runtime.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('is no container without a record', async () => {
    expect(await runtime.listContainers()).toEqual([]);
    expect(await runtime.recover()).toEqual([]);
    await expect(runtime.containerState(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await runtime.removeContainer(id);
  });

  it('does not keep the rest from being recovered when a record is damaged', async () => {
    await writeFile(join(dataDir, 'test', 'containers', 'web-0', 'container.json'), '{"version":2,"id":7}');
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    expect(await runtime.recover()).toEqual([]);
    expect((await warned).message).toContain('web-0');
    await expect(runtime.containerState(id)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('is not looked at under what is no id', async () => {
    await expect(runtime.containerState({ service: '../web', replica: 0 })).rejects.toMatchObject({
      code: 'INVALID_SPEC',
    });
  });
});
