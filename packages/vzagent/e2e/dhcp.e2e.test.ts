import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentClient, GuestNetwork } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { type DhcpQuestion, DhcpWire } from './testing/dhcp-wire.ts';
import { Machine } from './testing/machine.ts';
import { SHARE_ROOT, startSpec } from './testing/start-spec.ts';

const FOREVER = 0xffff_ffff;
const NOBODY = '0.0.0.0';
const EVERYBODY = '255.255.255.255';
/** Timers of a guest are its own clock's; so many milliseconds earlier than they should the host may see them. */
const EARLY_MS = 200;

/** The shortest lease that the client keeps to, with early renewal so that a test need not wait. */
const SHORT = { lease: 30, renewal: 2, rebinding: 4 };

// One guest, and one lease after the other: each test begins where the one before it ended.
describe('a guest whose DHCP server gives short leases, and changes its mind', () => {
  let folder: string;
  let wire: DhcpWire;
  let machine: Machine;
  let client: AgentClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-dhcp-'));
    const rootfs = join(folder, 'rootfs');
    await makeContainerRoot(rootfs, 'amd64');
    const sources = join(import.meta.dirname, 'testing');
    await compileStatic('amd64', ['dhcp-port.c'], sources, join(rootfs, 'bin/dhcp-port'));
    wire = await DhcpWire.open();
    machine = await Machine.boot({ ...(await resolveGuest({ architecture: 'amd64' })), rootfs, devices: wire.devices });
    client = machine.client();
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    await wire?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const leased = (network: Pick<GuestNetwork, 'interfaces'>): string[] =>
    network.interfaces.flatMap(({ addresses }) => addresses).filter((address) => !address.includes(':'));

  /** Resolves when the guest has exactly this address, or none. */
  async function has(address: string | undefined): Promise<GuestNetwork> {
    const wanted = address === undefined ? '' : `${address}/24`;
    const events = await client.watch();
    const now = await client.network();
    if (leased(now).join() === wanted) {
      await events.return();
      return now;
    }
    for await (const event of events) if (event.type === 'Network' && leased(event).join() === wanted) return event;
    throw new Error('the watch ended');
  }

  /** Gives the address for that question's offer and request. */
  async function give(discover: DhcpQuestion, address: string, times = SHORT): Promise<number> {
    const server = '10.1.0.1';
    wire.answer(discover, { type: 'offer', address, server, ...times });
    const request = await wire.question('request');
    expect(request).toMatchObject({ sentTo: EVERYBODY, own: NOBODY, requested: address, server });
    wire.answer(request, { type: 'ack', address, server, ...times });
    return performance.now();
  }

  let boundAt = 0;

  it('takes no offer that is damaged, another’s or impossible, and asks until there is one', async () => {
    const first = await wire.question('discover');
    expect(first).toMatchObject({ sentTo: EVERYBODY, own: NOBODY, requested: NOBODY, server: NOBODY });
    const offer = { type: 'offer', address: '10.1.0.66', server: '10.1.0.1', ...SHORT } as const;
    wire.answer(first, { ...offer, transaction: (first.transaction ^ 1) >>> 0 });
    wire.answer(first, { ...offer, mac: Buffer.from('525400aabbcd', 'hex') });
    // Cut off in a field, in a length, before either; without a type; with one that is too long.
    for (const options of [
      '350102360a01',
      '35010236',
      '350102330400',
      '3501',
      '35',
      '',
      'ff',
      '36040a010001ff',
      '35020202ff',
    ]) {
      wire.answer(first, { ...offer, options: Buffer.from(options, 'hex') });
    }
    for (const address of [NOBODY, '127.0.0.1', '224.0.0.5', '240.0.0.1', EVERYBODY]) {
      wire.answer(first, { ...offer, address });
    }
    wire.answer(first, { ...offer, server: null });
    wire.answer(first, { ...offer, type: 'ack' });
    wire.answer(first, { ...offer, type: 'nak' });
    // The first may have been under way before.
    const next = [await wire.question(), await wire.question()];
    expect(next).toMatchObject([{ type: 'discover' }, { type: 'discover' }]);
    wire.answer(first, { ...offer, address: '10.1.0.20' });
    const request = await wire.question('request');
    expect(request).toMatchObject({ requested: '10.1.0.20', server: '10.1.0.1', transaction: first.transaction });

    const ack = { ...offer, type: 'ack', address: '10.1.0.20' } as const;
    wire.answer(request, { ...ack, address: '10.1.0.66', server: '10.1.0.6' });
    wire.answer(request, { ...ack, type: 'nak', server: '10.1.0.6' });
    wire.answer(request, { ...ack, address: '224.0.0.5' });
    wire.answer(request, { ...ack, address: '10.1.0.66', transaction: (request.transaction ^ 1) >>> 0 });
    const again = await wire.question();
    expect(again).toMatchObject({ type: 'request', own: NOBODY, requested: '10.1.0.20', server: '10.1.0.1' });
    expect(leased(await client.network())).toEqual([]);
    wire.answer(again, ack);
    boundAt = performance.now();
    expect(await has('10.1.0.20')).toMatchObject({ gateway: '10.1.0.1', dnsServers: ['10.1.0.1'] });
  });

  it('renews with its own server when half of the time is over', async () => {
    const renewal = await wire.question('request');
    expect(renewal).toMatchObject({ sentTo: '10.1.0.1', own: '10.1.0.20', requested: NOBODY, server: NOBODY });
    expect(renewal.at - boundAt).toBeGreaterThan(SHORT.renewal * 1000 - EARLY_MS);
    // Only the server whose lease it is can end it, or make it longer, now.
    wire.answer(renewal, { type: 'nak', server: '10.1.0.6' });
    wire.answer(renewal, { type: 'ack', address: '10.1.0.66', server: '10.1.0.6', ...SHORT });
    const again = await wire.question();
    expect(again).toMatchObject({
      type: 'request',
      sentTo: '10.1.0.1',
      own: '10.1.0.20',
      transaction: renewal.transaction,
    });
    wire.answer(again, { type: 'ack', address: '10.1.0.20', server: '10.1.0.1', ...SHORT });
    boundAt = performance.now();
    await has('10.1.0.20');
  });

  it('asks every server when its own stays silent, and goes on with the one that answers', async () => {
    const asked = await wire.question('request');
    expect(asked.sentTo).toBe('10.1.0.1');
    let rebinding = asked;
    while (rebinding.sentTo !== EVERYBODY) rebinding = await wire.question('request');
    expect(rebinding).toMatchObject({ own: '10.1.0.20', requested: NOBODY, server: NOBODY });
    expect(rebinding.at - boundAt).toBeGreaterThan(SHORT.rebinding * 1000 - EARLY_MS);
    wire.answer(rebinding, { type: 'ack', address: '10.1.0.20', server: '10.1.0.2', ...SHORT });
    expect(await has('10.1.0.20')).toMatchObject({ gateway: '10.1.0.2' });
    expect(await wire.question('request')).toMatchObject({ sentTo: '10.1.0.2', own: '10.1.0.20' });
  });

  it('gives a refused address up at once, and takes another', async () => {
    const renewal = await wire.question('request');
    wire.answer(renewal, { type: 'nak', server: '10.1.0.2' });
    expect(await has(undefined)).toMatchObject({ gateway: null, dnsServers: [] });
    boundAt = await give(await wire.question('discover'), '10.1.0.21');
    expect(await has('10.1.0.21')).toMatchObject({ gateway: '10.1.0.1' });
  });

  it('takes the other address that a renewal brings in place of its own', async () => {
    const renewal = await wire.question('request');
    wire.answer(renewal, { type: 'ack', address: '10.1.0.22', server: '10.1.0.1', ...SHORT });
    await has('10.1.0.22');
    expect(await wire.question('request')).toMatchObject({ sentTo: '10.1.0.1', own: '10.1.0.22' });
  });

  it('renews though a program of the container had the port, as soon as it is free', async () => {
    const renewal = await wire.question('request');
    const later = { lease: 60, renewal: 5, rebinding: 40 };
    wire.answer(renewal, { type: 'ack', address: '10.1.0.22', server: '10.1.0.1', ...later });
    const program = await client.start(startSpec({ argv: ['dhcp-port'], root: SHARE_ROOT }));
    for await (const { data } of program.output) {
      expect(Buffer.from(data).toString()).toBe('taken\n');
      break;
    }
    wire.questions();
    await machine.prints('DHCP on eth0: Address in use');
    expect(wire.questions()).toEqual([]);
    await program.signal(9);
    expect(await wire.question()).toMatchObject({ type: 'request', sentTo: '10.1.0.1', own: '10.1.0.22' });
    program.close();
  });

  it('is not kept busy by a server that refuses all that it offers', async () => {
    wire.answer(await wire.question('request'), { type: 'nak', server: '10.1.0.1' });
    let refused = 0;
    for (const until = performance.now() + 3000; performance.now() < until; refused++) {
      wire.answer(await wire.question('discover'), {
        type: 'offer',
        address: '10.1.0.23',
        server: '10.1.0.1',
        ...SHORT,
      });
      wire.answer(await wire.question('request'), { type: 'nak', server: '10.1.0.1' });
    }
    expect(refused).toBeLessThan(8);
    expect(leased(await client.network())).toEqual([]);
  });

  it('loses its address with its lease, and begins anew', async () => {
    // A lease of no time is one of the shortest.
    boundAt = await give(await wire.question('discover'), '10.1.0.24', { lease: 0, renewal: 1, rebinding: 2 });
    await has('10.1.0.24');
    const discover = await wire.question('discover');
    expect(discover).toMatchObject({ sentTo: EVERYBODY, own: NOBODY });
    expect(discover.at - boundAt).toBeGreaterThan(30_000 - EARLY_MS);
    expect(await has(undefined)).toMatchObject({ gateway: null, dnsServers: [] });
    boundAt = await give(discover, '10.1.0.25', { lease: FOREVER, renewal: FOREVER, rebinding: FOREVER });
    await has('10.1.0.25');
    await expect(client.hello()).resolves.toMatchObject({ isLegacy: false });
    expect(wire.questions()).toEqual([]);
  });
});
