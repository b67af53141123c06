import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerId, ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';

const first: ContainerId = { service: 'first', replica: 0 };
const second: ContainerId = { service: 'second', replica: 0 };

describe('what a start takes', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let runtime: QemuRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-undone-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
    runtime = new QemuRuntime({ dataDir });
  });
  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const spec = (script: string, more: Partial<ServiceSpecInput> = {}): ServiceSpecInput => ({
    image: served.images.plain,
    command: { args: ['sh', '-c', script] },
    ...more,
  });

  it('is given back when a port is taken, and the error names it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const storage = [{ type: 'named', name: 'shared', target: '/data' }] as const;
    await runtime.createContainer(first, spec('echo hello', { ports: [81, `${port}:80`], storage: [...storage] }));
    await expect(runtime.startContainer(first)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(String(port)),
    });
    expect(await runtime.containerState(first)).toMatchObject({ status: 'failed' });
    expect(await runtime.portMappings(first)).toEqual([]);
    expect((await readdir(join(dataDir, 'qemu', 'containers', 'first-0'))).includes('vm.json')).toBe(false);
    other.close();
    await once(other, 'close');
    await runtime.startContainer(first);
    expect(await runtime.waitContainer(first)).toEqual({ reason: 'exited', exitCode: 0 });
    await runtime.removeContainer(first);
  });

  it('a volume belongs to one container at a time, and has what the last one wrote', async () => {
    const storage: ServiceSpecInput['storage'] = ['data:/data'];
    await runtime.createContainer(first, spec('id -u > /data/owner; chown 1234 /data/owner; sleep 100', { storage }));
    await runtime.startContainer(first);
    await runtime.createContainer(second, spec('stat -c %u /data/owner; cat /data/owner', { storage }));
    await expect(runtime.startContainer(second)).rejects.toMatchObject({
      code: 'CONFLICT',
      subject: 'data',
      message: expect.stringContaining('first-0'),
    });
    while ((await runtime.exec(first, ['stat', '-c', '%u', '/data/owner'])).stdoutText !== '1234\n');
    await runtime.removeContainer(first, { force: true });
    await runtime.startContainer(second);
    await runtime.waitContainer(second);
    const log = await runtime.containerLogs(second);
    expect(log.map(({ data }) => Buffer.from(data).toString())).toEqual(['1234\n', '0\n']);
    await runtime.removeContainer(second);
  });
});
