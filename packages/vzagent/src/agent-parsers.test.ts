import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeFrame, type MessageOf } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const agent = join(import.meta.dirname, '../agent');
const MUTATIONS = 100;

/** The same numbers in every run. */
function* numbers(seed: number): Generator<number, never, undefined> {
  for (let state = seed; ; yield state >>> 8) state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
}

describe('the agent’s parsers of archives, DHCP, overlays and texts, under sanitizers', () => {
  let folder: string;
  let program: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-parsers-'));
    program = join(folder, 'parsers');
    const parts = [
      'test/parsers.c',
      'tar_read.c',
      'tar_write.c',
      'text.c',
      'ip_address.c',
      'dhcp_packet.c',
      'overlay_config.c',
      'fault.c',
      'bytes.c',
    ];
    const codec = ['codec.c', 'frame.c', 'message.c', 'postcard.c', 'shape.c'];
    const flags = ['-std=c11', '-D_GNU_SOURCE', '-g', '-O1', '-Wall', '-Wextra', '-Werror'];
    const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    await run('gcc', [...flags, ...sanitizers, ...parts, ...codec, '-o', program], { cwd: agent });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function parse(kind: 'tar' | 'dhcp' | 'overlay' | 'text' | 'address', data: Uint8Array): Promise<string> {
    const path = join(folder, `input-${kind}`);
    await writeFile(path, data);
    return (await run(program, [kind, path])).stdout;
  }

  async function survives(kind: 'tar' | 'dhcp' | 'overlay', valid: Uint8Array, within = valid.length): Promise<void> {
    const random = numbers(valid.length);
    for (let i = 0; i < MUTATIONS; i++) {
      const data = Buffer.from(valid.subarray(0, i % 7 === 0 ? random.next().value % valid.length : valid.length));
      for (let change = 0; change < 3 && data.length > 0; change++) {
        data[random.next().value % Math.min(data.length, within)] = random.next().value & 0xff;
      }
      await parse(kind, data);
    }
  }

  async function makeArchive(format: string): Promise<Buffer> {
    const tree = join(folder, `tree-${format}`);
    const deep = format === 'pax' || format === 'gnu' ? 'd'.repeat(150) : 'd'.repeat(80);
    await rm(tree, { recursive: true, force: true });
    await mkdir(join(tree, deep), { recursive: true });
    await writeFile(join(tree, deep, 'f'.repeat(90)), 'content');
    await writeFile(join(tree, 'plain'), Buffer.alloc(700));
    await symlink('somewhere', join(tree, 'link'));
    await utimes(join(tree, 'plain'), 1_234_567_890.25, 1_234_567_890.25);
    const archive = join(folder, `${format}.tar`);
    await run('tar', ['-C', tree, `--format=${format}`, '--owner=7', '--group=8', '--sort=name', '-cf', archive, '.']);
    return readFile(archive);
  }

  it.each(['ustar', 'pax', 'gnu'])('read and write anew what GNU tar wrote as %s', async (format) => {
    const archive = await makeArchive(format);
    const told = await parse('tar', archive);
    const fraction = format === 'pax' ? '250000000' : '000000000';
    expect(told).toContain(`0 ./plain  644 7 8 700 1234567890.${fraction}\n`);
    expect(told).toContain('2 ./link somewhere 777 7 8 0 ');
    expect(told).toMatch(/0 \.\/d{80,150}\/f{90} {2}644 7 8 7 /);
    expect(told).toMatch(/\nend\n$/);
    expect(told).not.toContain('not the same');
  });

  it('survive damaged archives', async () => {
    await survives('tar', await makeArchive('pax'), 4096);
    await survives('tar', await makeArchive('gnu'), 4096);
  }, 60_000);

  /** A DHCP answer with the options given, as hexadecimal. */
  function dhcp(options: string): Buffer {
    const packet = Buffer.alloc(240);
    packet.set([2, 1, 6, 0, 1, 2, 3, 4]);
    packet.set([10, 0, 2, 15], 16);
    packet.set([0x52, 0x54, 0, 0xaa, 0xbb, 0xcc], 28);
    packet.set([99, 130, 83, 99], 236);
    return Buffer.concat([packet, Buffer.from(options, 'hex')]);
  }

  const domain = (name: string) => `0f${name.length.toString(16).padStart(2, '0')}${Buffer.from(name).toString('hex')}`;
  const server = '36040a000202';
  const ack = `350105${server}0104ffffff0033040000003c06080a0002030a000204`;

  it('read a lease, and no domain that would be more than one in resolv.conf', async () => {
    expect(await parse('dhcp', dhcp(`${ack}${domain('lan.example')}ff`))).toBe('5 /24 2 lan.example 60\n');
    expect(await parse('dhcp', dhcp(`${ack}${domain('x\nnameserver 6.6.6.6')}ff`))).toBe('5 /24 2  60\n');
    expect(await parse('dhcp', dhcp(`${ack}0f20aa`))).toBe('malformed\n');
    expect(await parse('dhcp', dhcp(`${server}0104ffffff00`))).toBe('malformed\n');
    expect(await parse('dhcp', dhcp('350105'))).toBe('malformed\n');
    expect(await parse('dhcp', dhcp(`350105${server}0104ff00ff00`))).toBe('5 /32 0  0\n');
  });

  it.each([0, 127, 224, 239, 240, 255])('read no lease of an address that begins with %i', async (first) => {
    const answer = dhcp(ack);
    answer[16] = first;
    expect(await parse('dhcp', answer)).toBe('malformed\n');
    expect(await parse('dhcp', Buffer.concat([answer, Buffer.from('350106', 'hex')]))).toContain('6 /24 2');
  });

  it('survive damaged leases', () => survives('dhcp', dhcp(`${ack}${domain('lan.example')}ff`)), 60_000);

  const overlay: MessageOf<'ConfigureOverlay'> = {
    type: 'ConfigureOverlay',
    overlayIp: '10.0.0.1',
    prefixLen: 24,
    privateKey: Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i * 8)).toString('base64'),
    listenPort: 51820,
    peers: Array.from({ length: 3 }, (_, i) => ({
      publicKey: Buffer.alloc(32, i * 85).toString('base64'),
      endpoint: ['', '192.0.2.1:51820', '[2001:db8::1]:1'][i] ?? '',
      allowedIps: '10.0.0.0/24,fd00::/8, 192.0.2.7',
      persistentKeepaliveSecs: 25n,
    })),
    dnsServer: 'fd00::53',
    dnsDomain: 'overlay.example',
  };

  it('read an overlay’s keys as base64 does', async () => {
    const key = Buffer.from(overlay.privateKey, 'base64').toString('hex');
    expect(await parse('overlay', encodeFrame(overlay))).toBe(`fine 3\n${key}\n`);
    const refused = { ...overlay, privateKey: `${overlay.privateKey.slice(0, 42)}/=` };
    expect(await parse('overlay', encodeFrame(refused))).toContain('not 32 bytes in base64');
  });

  it('survive damaged overlays', () => survives('overlay', encodeFrame(overlay)), 60_000);

  it('write and read numbers and texts as the C library does', async () => {
    const edges = [
      '',
      'x',
      ' 7',
      '\t12 rest',
      '0',
      '00',
      '1',
      '9',
      '10',
      '99999',
      '1000000000',
      '2147483647',
      '2147483648',
    ];
    const large = ['4294967295', '9223372036854775807', '9223372036854775808', '18446744073709551615'];
    const tooLarge = ['18446744073709551616', '99999999999999999999999', '1234567890abcdef0', '12e5', 'ffff'];
    const random = numbers(1);
    const others = Array.from({ length: 500 }, () =>
      (BigInt(random.next().value) * BigInt(random.next().value)).toString(),
    );
    expect(await parse('text', Buffer.from([...edges, ...large, ...tooLarge, ...others].join('\n')))).toBe('');
  });

  it('write addresses as RFC 5952 and the C library do', async () => {
    const edges = ['::', '::1', '1::', 'fe80::1', '1:0:0:2::3', '1:0:2:0:3:0:4:0', '0:1:0:0:2:0:0:3', 'ff02::1:ff00:0'];
    const random = numbers(2);
    // Groups that are zero more often than not, so that there are runs of each length at each place.
    const group = () => (random.next().value % 3 === 0 ? (random.next().value & 0xffff).toString(16) : '0');
    // Not those that the C library writes with an IPv4 address at their end.
    const others = Array.from({ length: 500 }, () => `2001:${Array.from({ length: 7 }, group).join(':')}`);
    const ipv4 = ['0.0.0.0', '10.0.2.15', '255.255.255.255'];
    expect(await parse('address', Buffer.from([...edges, ...others, ...ipv4].join('\n')))).toBe('');
  });
});
