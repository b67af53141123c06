import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPortMapping, parsePortMapping, parsePortMappings } from './port-mapping.ts';

const mapping = (hostAddress: string, hostPort: number, containerPort: number, protocol = 'tcp') => ({
  hostAddress,
  hostPort,
  containerPort,
  protocol,
});

describe('parsePortMapping', () => {
  it.each([
    [80, mapping('127.0.0.1', 0, 80)],
    ['80', mapping('127.0.0.1', 0, 80)],
    ['80/udp', mapping('127.0.0.1', 0, 80, 'udp')],
    ['8080:80', mapping('127.0.0.1', 8080, 80)],
    ['0:80', mapping('127.0.0.1', 0, 80)],
    [':80', mapping('127.0.0.1', 0, 80)],
    ['127.0.0.1:8080:80/tcp', mapping('127.0.0.1', 8080, 80)],
    ['0.0.0.0:53:53/UDP', mapping('0.0.0.0', 53, 53, 'udp')],
    ['127.0.0.1::80', mapping('127.0.0.1', 0, 80)],
    ['[::1]:53:53/udp', mapping('::1', 53, 53, 'udp')],
    ['[0:0:0:0:0:0:0:1]:1:2', mapping('::1', 1, 2)],
    ['[::]::80', mapping('::', 0, 80)],
  ])('reads %s', (text, expected) => {
    expect(parsePortMapping(text)).toEqual(expected);
  });

  it.each([
    '',
    ':',
    '0',
    '65536',
    '65536:80',
    '80:',
    '80/',
    '80/sctp',
    '80/tcp/udp',
    '-1:80',
    '80-90',
    '80-90:80-90',
    'localhost:80:80',
    '256.0.0.1:80:80',
    '127.0.0.1:80',
    '::1:80:80',
    '[::1]:80',
    '[127.0.0.1]:80:80',
    '[fe80::1%eth0]:80:80',
    '[::g]:1:1',
    '1:2:3',
    '8080:80 ; rm',
    '80\n81',
    '٨٠',
    `${'1'.repeat(100_000)}:80`,
    80.5,
    -80,
    Number.NaN,
  ])('refuses %s and says what to write', (text) => {
    const refused = expect.objectContaining({ code: 'INVALID_SPEC', remedy: expect.stringContaining('8080:80') });
    expect(() => parsePortMapping(text)).toThrow(refused);
  });

  it('reads back what formatPortMapping writes', () => {
    const ports = fc.integer({ min: 1, max: 65_535 });
    const addresses = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(addresses, fc.nat(65_535), ports, fc.constantFrom('tcp', 'udp'), (address, host, container, name) => {
        const text = isIP(address) === 6 ? `[${address}]` : address;
        const first = parsePortMapping(`${text}:${host}:${container}/${name}`);
        expect(first).toMatchObject({ hostPort: host, containerPort: container, protocol: name });
        expect(isIP(first.hostAddress)).toBe(isIP(address));
        expect(parsePortMapping(formatPortMapping(first))).toEqual(first);
      }),
    );
  });

  it('reads a range as its ports one by one', () => {
    const start = fc.integer({ min: 1, max: 60_000 });
    fc.assert(
      fc.property(start, start, fc.integer({ min: 0, max: 50 }), (host, container, more) => {
        const text = `${host}-${host + more}:${container}-${container + more}/udp`;
        const single = Array.from({ length: more + 1 }, (_, i) => parsePortMapping(`${host + i}:${container + i}/udp`));
        expect(parsePortMappings(text)).toEqual(single);
      }),
    );
  });

  it('throws nothing but a typed error, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'[]:./-0189udptc') })), (text) => {
        try {
          const { hostPort, containerPort, hostAddress } = parsePortMapping(text);
          expect(hostPort).toBeLessThanOrEqual(65_535);
          expect(containerPort).toBeGreaterThanOrEqual(1);
          expect(isIP(hostAddress)).not.toBe(0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_SPEC' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
