import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentClient, AgentProcess, GuestEvent } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { executeSpec, finish, shell, startShell, startSpec } from './testing/start-spec.ts';

const architecture = 'amd64';

describe('a guest with a network', () => {
  let folder: string;
  let machine: Machine;
  let client: AgentClient;
  let workload: AgentProcess | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-network-'));
    const image = join(folder, 'image');
    await makeContainerRoot(image, architecture);
    await makeErofs(join(folder, 'root.erofs'), image);
    machine = await Machine.boot({
      ...(await resolveGuest({ architecture })),
      devices: [
        ...diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
        ...[
          '-netdev',
          'user,id=n0,domainname=guests.example',
          '-device',
          'virtio-net-pci,netdev=n0,mac=52:54:00:aa:bb:cc',
        ],
      ],
    });
    client = machine.client();
  });

  afterAll(async () => {
    workload?.close();
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('has its address before the first container’s program runs, and names that lead to the host', async () => {
    const outcome = await startShell(client, 'cat /etc/resolv.conf /etc/hosts; cat /proc/net/route', {
      names: {
        ...startSpec({ argv: [] }).names,
        hostname: 'web',
        hosts: [{ name: 'gateway.example', address: 'host-gateway' }],
      },
    });
    expect(outcome.stdout).toMatch(/^nameserver 10\.0\.2\.3\nsearch guests\.example\n127\.0\.0\.1\tlocalhost\n/);
    expect(outcome.stdout).toContain('\n10.0.2.2\thost.zlayer.internal host.docker.internal gateway.example\n');
    expect(outcome.stdout).toContain('\n10.0.2.15\tweb\n');
    expect(outcome.stdout).toMatch(/\n\w+\t00000000\t0202000A\t/);
  });

  it('tells its addresses, gateway and name servers', async () => {
    const network = await client.network();
    expect(network).toMatchObject({ gateway: '10.0.2.2', dnsServers: ['10.0.2.3'] });
    expect(network.interfaces).toHaveLength(1);
    expect(network.interfaces[0]).toMatchObject({ mac: '52:54:00:aa:bb:cc' });
    expect(network.interfaces[0]?.addresses).toContain('10.0.2.15/24');
  });

  it('sets the clock when told', async () => {
    await client.setClock(Date.UTC(2031, 4, 6) * 1000);
    workload = await client.start(
      startSpec({
        argv: ['/bin/sh', '-c', 'date -u +%F; while :; do sleep 1; done'],
        capabilities: 0xa80435fbn,
        limits: { cpuQuotaMicros: null, memoryBytes: 64 * 1024 * 1024, pids: null },
      }),
    );
    for await (const { data } of workload.output) {
      expect(Buffer.from(data).toString()).toBe('2031-05-06\n');
      break;
    }
    await client.setClock(Date.now() * 1000);
  });

  async function next(
    events: AsyncGenerator<GuestEvent, void, undefined>,
    type: GuestEvent['type'],
  ): Promise<GuestEvent> {
    for await (const event of events) if (event.type === type) return event;
    throw new Error('the watch ended');
  }

  it('tells of addresses that come and go', async () => {
    const events = await client.watch();
    const told = next(events, 'Network');
    await finish(
      await client.execute(executeSpec({ argv: ['ifconfig', 'lo:1', '127.0.0.9'], capabilities: 0xa80435fbn })),
    );
    expect(await told).toMatchObject({ gateway: '10.0.2.2' });
  });

  it('tells of kills for want of memory, and of pressure before', async () => {
    const kills = await client.watch();
    const pressure = await client.watch({ pressure: { stallMicros: 500, windowMicros: 1_000_000 } });
    const killed = next(kills, 'OomKilled');
    const pressed = next(pressure, 'MemoryPressure');
    await shell(client, 'for i in 1 2 3 4 5; do dd if=/dev/zero of=/dev/null bs=200M count=1; done');
    expect(await killed).toMatchObject({ kills: expect.any(Number) });
    expect(await pressed).toMatchObject({ memoryBytes: expect.any(Number) });
  });

  it('refuses a threshold that no kernel takes', async () => {
    await expect(client.watch({ pressure: { stallMicros: 5, windowMicros: 100 } })).rejects.toMatchObject({
      kind: 'invalid',
    });
  });
});

it('does not keep a container waiting when there is no network, nor when nobody answers for long', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vzagent-network-'));
  try {
    const image = join(folder, 'image');
    await makeContainerRoot(image, architecture);
    await makeErofs(join(folder, 'root.erofs'), image);
    const guest = await resolveGuest({ architecture });
    const devices = diskArguments('root', join(folder, 'root.erofs'), { readonly: true });
    const silent = [
      '-netdev',
      'socket,id=n0,udp=127.0.0.1:9,localaddr=127.0.0.1:0',
      '-device',
      'virtio-net-pci,netdev=n0',
    ];
    const started = async (machine: Machine): Promise<number> => {
      const began = performance.now();
      expect(await startShell(machine.client(), 'cat /etc/resolv.conf; hostname')).toMatchObject({
        stdout: 'localhost\n',
      });
      return performance.now() - began;
    };
    {
      await using machine = await Machine.boot({
        ...guest,
        devices: [...devices, ...silent],
        append: ['zlayer.net=none'],
      });
      expect(await started(machine)).toBeLessThan(2500);
    }
    await using machine = await Machine.boot({ ...guest, devices: [...devices, ...silent] });
    const waited = await started(machine);
    expect(waited).toBeGreaterThan(1000);
    expect(waited).toBeLessThan(6000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
