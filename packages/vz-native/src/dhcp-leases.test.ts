import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLease, parseLeases } from './dhcp-leases.ts';

const stanza = (fields: Record<string, string>): string =>
  `{\n${Object.entries(fields)
    .map(([key, value]) => `\t${key}=${value}\n`)
    .join('')}}\n`;
const lease = (mac: string, address: string, seconds: number): string =>
  stanza({
    ...{ name: 'guest', ip_address: address, hw_address: `1,${mac}`, identifier: `1,${mac}` },
    lease: `0x${seconds.toString(16)}`,
  });
const NOW = new Date(1_000_000_000);

describe('the leases of a Mac', () => {
  let directory: string;
  let file: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'leases-'));
    file = join(directory, 'dhcpd_leases');
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  const find = async (text: string, mac: string): Promise<string | undefined> => {
    writeFileSync(file, text);
    return (await findLease(mac, { file, now: NOW }))?.address;
  };

  it('are read with all zeros of their addresses, which the server leaves out', () => {
    expect(parseLeases(lease('2:0:0:0:a:1', '192.168.64.7', 2_000_000))).toEqual([
      { mac: '02:00:00:00:0a:01', address: '192.168.64.7', expiresAt: new Date(2_000_000_000) },
    ]);
  });

  it('tell the newest that has not expired', async () => {
    const [old, newer, expired] = [1_000_100, 1_000_200, 999_999].map((at, index) =>
      lease('2:0:0:0:a:1', `192.168.64.${index + 2}`, at),
    );
    expect(await find(`${old}${newer}${expired}`, '02:00:00:00:0a:01')).toBe('192.168.64.3');
    expect(await find(`${newer}${old}`, '02:00:00:00:0A:01')).toBe('192.168.64.3');
    expect(await find(`${expired}`, '02:00:00:00:0a:01')).toBeUndefined();
    expect(await find(`${old}`, '02:00:00:00:0a:02')).toBeUndefined();
    expect(await findLease('02:00:00:00:0a:01', { file: join(directory, 'missing') })).toBeUndefined();
  });

  it('do not give a guest the address that another one has by now', async () => {
    const [first, second] = [
      lease('2:0:0:0:0:1', '192.168.64.9', 1_000_100),
      lease('2:0:0:0:0:2', '192.168.64.9', 1_000_200),
    ];
    expect(await find(`${first}${second}`, '02:00:00:00:00:01')).toBeUndefined();
    expect(await find(`${first}${second}`, '02:00:00:00:00:02')).toBe('192.168.64.9');
  });

  it('are found among 254 of them, and among what is none', async () => {
    const many = Array.from({ length: 254 }, (_, index) =>
      lease(`2:0:0:0:1:${index.toString(16)}`, `10.0.0.${index}`, 2_000_000),
    );
    const nonsense = [
      stanza({ ip_address: '10.9.9.9', hw_address: 'ff,0:1:2:3', identifier: 'ff,0:1', lease: '0x7fffffff' }),
      ...['{', '}', '{}', '{{{', 'hw_address=1,2:0:0:0:1:7\n', '\0\xff{\n\tname\n}\n'],
      lease('2:0:0:0:1:7', '300.0.0.1', 3_000_000),
      lease('2:0:0:0:1:zz', '10.0.0.7', 3_000_000),
      stanza({ ip_address: '10.9.9.8', hw_address: '1,2:0:0:0:1:7', lease: 'never' }),
      stanza({ ip_address: '10.9.9.7', hw_address: '1,2:0:0:0:1:7', lease: '0xffffffffffffffff' }),
    ];
    expect(await find(`${nonsense.join('')}${many.join('')}${nonsense.join('')}`, '02:00:00:00:01:07')).toBe(
      '10.0.0.7',
    );
    expect(await find('{'.repeat(2_000_000), '02:00:00:00:01:07')).toBeUndefined();
  });
});
