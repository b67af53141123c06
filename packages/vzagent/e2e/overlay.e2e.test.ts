import { generateKeyPairSync } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { AgentClient, OverlaySettings } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { shell, startSpec } from './testing/start-spec.ts';

const architecture = 'amd64';
const GUEST_PORT = 51820;

interface Keys {
  privateKey: string;
  publicKey: string;
}

function makeKeys(): Keys {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const standard = (text: string) => Buffer.from(text, 'base64url').toString('base64');
  return { privateKey: standard(d), publicKey: standard(x) };
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

describe('two guests on one host', () => {
  const [one, other] = [makeKeys(), makeKeys()];
  let folder: string;
  let port: number;
  const machines: Machine[] = [];
  const clients: AgentClient[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-overlay-'));
    port = await freePort();
    const image = join(folder, 'image');
    await makeContainerRoot(image, architecture);
    await compileStatic(architecture, ['sockets.c'], join(import.meta.dirname, 'testing'), join(image, 'bin/sockets'));
    await makeErofs(join(folder, 'root.erofs'), image);
    const guest = await resolveGuest({ architecture });
    for (const forward of [`,hostfwd=udp:127.0.0.1:${port}-:${GUEST_PORT}`, '']) {
      const machine = await Machine.boot({
        ...guest,
        devices: [
          ...diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
          ...['-netdev', `user,id=n0${forward}`, '-device', 'virtio-net-pci,netdev=n0'],
        ],
      });
      machines.push(machine);
      const client = machine.client();
      clients.push(client);
      const server = await client.start(startSpec({ argv: ['sockets', 'echo', '7001'] }));
      for await (const _ of server.output) break;
    }
  });

  afterAll(async () => {
    for (const machine of machines) await machine[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const settings = (keys: Keys, peer: Keys, fields: Partial<OverlaySettings>, endpoint = ''): OverlaySettings => ({
    overlayIp: '10.77.0.1',
    prefixLen: 24,
    privateKey: keys.privateKey,
    listenPort: GUEST_PORT,
    peers: [
      { publicKey: peer.publicKey, endpoint, allowedIps: '10.77.0.0/24, fd77::/64', persistentKeepaliveSecs: 0n },
    ],
    dnsServer: null,
    dnsDomain: null,
    ...fields,
  });

  const client = (index: 0 | 1): AgentClient => {
    const found = clients[index];
    if (found === undefined) throw new Error('the guest did not boot');
    return found;
  };

  const echo = async (through: AgentClient, address: string): Promise<string> => {
    const tunnel = await through.connectTo({ protocol: 'tcp', address, port: 7001 });
    tunnel.end('through the overlay');
    return text(tunnel);
  };

  it('talk through zl-overlay0, in both directions', async () => {
    await client(0).configureOverlay(settings(one, other, {}));
    const dns = { dnsServer: '10.77.0.1', dnsDomain: 'overlay.example' };
    await client(1).configureOverlay(settings(other, one, { overlayIp: '10.77.0.2', ...dns }, `10.0.2.2:${port}`));
    expect(await echo(client(1), '10.77.0.1')).toBe('through the overlay');
    expect(await echo(client(0), '10.77.0.2')).toBe('through the overlay');
    for (const [from, to] of [
      [0, '10.77.0.2'],
      [1, '10.77.0.1'],
    ] as const) {
      const pinged = await shell(client(from), `ping -c 3 -w 20 ${to}`);
      expect(pinged).toMatchObject({ stdout: expect.stringContaining(' 0% packet loss'), code: 0 });
    }
    const { interfaces } = await client(1).network();
    expect(interfaces.find(({ name }) => name === 'zl-overlay0')?.addresses).toEqual(['10.77.0.2/24']);
    const { stdout } = await shell(client(1), 'cat /etc/resolv.conf');
    expect(stdout).toBe('nameserver 10.77.0.1\nnameserver 10.0.2.3\nsearch overlay.example\n');
  });

  it('take a second configuration in place of the first', async () => {
    const peers = (peer: Keys, endpoint: string, allowedIps: string) => [
      { publicKey: peer.publicKey, endpoint, allowedIps, persistentKeepaliveSecs: 5n },
    ];
    await client(0).configureOverlay(
      settings(one, other, { overlayIp: '10.78.0.1', peers: peers(other, '', '10.78.0.2/32') }),
    );
    await client(1).configureOverlay(
      settings(other, one, { overlayIp: '10.78.0.2', peers: peers(one, `10.0.2.2:${port}`, '10.78.0.1/32') }),
    );
    expect(await echo(client(1), '10.78.0.1')).toBe('through the overlay');
    const { interfaces } = await client(1).network();
    expect(interfaces.find(({ name }) => name === 'zl-overlay0')?.addresses).toEqual(['10.78.0.2/24']);
    expect(await shell(client(1), 'cat /etc/resolv.conf')).toMatchObject({ stdout: 'nameserver 10.0.2.3\n' });
  });

  it('do not talk with the wrong key', async () => {
    const stranger = makeKeys();
    await client(0).configureOverlay(settings(one, stranger, { overlayIp: '10.77.0.1' }));
    await client(1).configureOverlay(settings(other, one, { overlayIp: '10.77.0.2' }, `10.0.2.2:${port}`));
    const tried = client(1).connectTo({ protocol: 'tcp', address: '10.77.0.1', port: 7001 }, { timeoutMs: 1500 });
    await expect(tried).rejects.toThrow();
  });

  it.each([
    ['a key that is too short', { privateKey: 'c2hvcnQ=' }],
    ['a key that is no base64', { privateKey: `${'!'.repeat(43)}=` }],
    ['an address that is none', { overlayIp: 'here' }],
    ['a prefix that is too long', { prefixLen: 33 }],
    ['a DNS server by name', { dnsServer: 'dns.example' }],
    ['a domain with a new line', { dnsDomain: 'x\nnameserver 6.6.6.6' }],
    [
      'an endpoint without a port',
      { peers: [{ publicKey: one.publicKey, endpoint: '1.2.3.4', allowedIps: '', persistentKeepaliveSecs: 0n }] },
    ],
    [
      'an allowed IP that is none',
      { peers: [{ publicKey: one.publicKey, endpoint: '', allowedIps: '10.0.0.0/99', persistentKeepaliveSecs: 0n }] },
    ],
  ])('refuse %s, and the overlay stays as it is', async (_, fields) => {
    const refused = client(1).configureOverlay(settings(other, one, fields));
    await expect(refused).rejects.toMatchObject({ kind: 'invalid' });
    const { interfaces } = await client(1).network();
    expect(interfaces.map(({ name }) => name)).toContain('zl-overlay0');
  });

  it('answer a legacy configuration with an Error alone, and never print a key', async () => {
    const [machine] = machines;
    if (machine === undefined) throw new Error('the guest did not boot');
    await using connection = await machine.connect();
    connection.send({ type: 'OverlayConfig', ...settings(one, other, { overlayIp: 'nowhere' }) });
    expect(await connection.next()).toMatchObject({ type: 'Error', message: expect.stringContaining('OverlayConfig') });
    connection.send({ type: 'OverlayConfig', ...settings(one, other, {}) });
    connection.send({ type: 'SetTime', unixSecs: BigInt(Math.floor(Date.now() / 1000)) });
    const { interfaces } = await client(0).network();
    expect(interfaces.find(({ name }) => name === 'zl-overlay0')?.addresses).toEqual(['10.77.0.1/24']);
    for (const each of machines) {
      const printed = await each.console();
      for (const { privateKey } of [one, other]) expect(printed).not.toContain(privateKey);
    }
  });
});
