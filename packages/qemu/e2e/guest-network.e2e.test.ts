import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LinuxVmRuntime } from '@zlayer/linux-vm';
import type { ContainerId } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuDriver } from '../src/index.ts';

const id: ContainerId = { service: 'net', replica: 0 };

describe('the network of a guest', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let runtime: LinuxVmRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-net-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
    runtime = new LinuxVmRuntime({ name: 'qemu', driver: new QemuDriver(), dataDir, reachesGuests: true });
  });
  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('leads to the host by name; its address is that of an overlay, or else the one that it has leased', async () => {
    await using server = createServer((client) => client.end('from the host\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await runtime.createContainer(id, { image: served.images.plain, command: { args: ['sleep', '1000'] } });
    await runtime.startContainer(id);

    const reached = await runtime.exec(id, ['nc', 'host.zlayer.internal', String(port)]);
    expect(reached).toMatchObject({ exitCode: 0, stdoutText: 'from the host\n' });
    expect(await runtime.getContainerIp(id)).toBe('10.0.2.15');
    await runtime.pushOverlayConfig(id, {
      ...{ overlayIp: '10.213.0.7', prefixLength: 24, listenPort: 51_820, peers: [] },
      privateKey: randomBytes(32).toString('base64'),
    });
    expect(await runtime.getContainerIp(id)).toBe('10.213.0.7');
    await runtime.stopContainer(id, { timeoutMs: 0 });
    expect(await runtime.getContainerIp(id)).toBeUndefined();
    await runtime.removeContainer(id);
  });
});
