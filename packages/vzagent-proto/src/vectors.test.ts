import { expect, test } from 'vitest';
import { decodeFrame, encodeFrame } from './frame.ts';
import type { Message } from './message.ts';
import { SCHEMA } from './schema.ts';

/** Frames put together by hand from the protocol's text: length prefix, tag, discriminant, fields. */
const VECTORS: readonly (readonly [message: Message, frame: string])[] = [
  [
    { type: 'Run', argv: ['a', 'bc'], env: [['K', 'v=1']], cwd: '/', uid: 1000, gid: 0xffff_ffff },
    '19000000 01 00 02 01 61 02 6263 01 01 4b 03 763d31 01 01 2f e807 ffffffff0f',
  ],
  [{ type: 'Run', argv: [], env: [], cwd: null, uid: 0, gid: 0 }, '07000000 01 00 00 00 00 00 00'],
  [
    { type: 'Exec', argv: ['id'], env: [], cwd: null, uid: 0, gid: null, user: '' },
    '0d000000 02 01 01 02 6964 00 00 01 00 00 01 00',
  ],
  [{ type: 'Signal', signum: 9 }, '03000000 03 02 12'],
  [{ type: 'Signal', signum: -9 }, '03000000 03 02 11'],
  [{ type: 'Stdout', data: Uint8Array.of(0, 255) }, '05000000 04 03 02 00ff'],
  [{ type: 'Stderr', data: new Uint8Array(128).fill(7) }, `84000000 05 04 8001 ${'07'.repeat(128)}`],
  [{ type: 'Started', pid: 2147483647 }, '07000000 06 05 feffffff0f'],
  [{ type: 'Exited', code: -2147483648 }, '07000000 07 06 ffffffff0f'],
  [{ type: 'Exited', code: 143 }, '04000000 07 06 9e02'],
  [{ type: 'Error', message: 'é€😀' }, '0c000000 08 07 09 c3a9 e282ac f09f9880'],
  [{ type: 'Error', message: '\uFEFF\0' }, '07000000 08 07 04 efbbbf 00'],
  [{ type: 'Forward', port: 65535 }, '05000000 09 08 ffff03'],
  [{ type: 'Mount', tag: 't', target: '/w', readonly: false }, '08000000 0a 09 01 74 02 2f77 00'],
  [{ type: 'Mount', tag: 't', target: '/w', readonly: true }, '08000000 0a 09 01 74 02 2f77 01'],
  [{ type: 'Stdin', data: new Uint8Array(0) }, '03000000 0b 0a 00'],
  [{ type: 'StdinEof' }, '02000000 0c 0b'],
  [
    {
      type: 'OverlayConfig',
      overlayIp: 'i',
      prefixLen: 0,
      privateKey: 'k',
      listenPort: 128,
      peers: [
        { publicKey: 'p', endpoint: '', allowedIps: 'a', persistentKeepaliveSecs: 2n ** 64n - 1n },
        { publicKey: '', endpoint: 'e', allowedIps: '', persistentKeepaliveSecs: 0n },
      ],
      dnsServer: null,
      dnsDomain: 'd',
    },
    '22000000 0d 0c 01 69 00 01 6b 8001 02 0170 00 0161 ffffffffffffffffff01 00 0165 00 00 00 01 01 64',
  ],
  [{ type: 'SetTime', unixSecs: 64n }, '04000000 0e 0d 8001'],
  [{ type: 'SetTime', unixSecs: -(2n ** 63n) }, '0c000000 0e 0d ffffffffffffffffff01'],
  [{ type: 'SetTime', unixSecs: 2n ** 63n - 1n }, '0c000000 0e 0d feffffffffffffffff01'],
];

for (const [message, frame] of VECTORS) {
  const hex = frame.replaceAll(' ', '');
  const title = `${message.type} as ${hex.slice(0, 40)}`;

  test(`the agent gets the bytes it expects: ${title}`, () => {
    const bytes = encodeFrame(message);
    expect(Buffer.from(bytes).toString('hex')).toBe(hex);
    expect(bytes.buffer.byteLength).toBe(hex.length / 2);
  });

  test(`the host understands the agent: ${title}`, () => {
    expect(decodeFrame(Uint8Array.from(Buffer.from(hex, 'hex')))).toStrictEqual(message);
  });
}

test('no message of the schema is without a vector', () => {
  const covered = new Set<string>(VECTORS.map(([message]) => message.type));
  expect(SCHEMA.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
});

test('integers with needless zeros, which postcard accepts, are accepted', () => {
  expect(decodeFrame(bytes('05000000 03 82 00 9e00'))).toEqual({ type: 'Signal', signum: 15 });
  expect(decodeFrame(bytes('0d000000 04 03 81808080808080808000 78'))).toEqual({
    type: 'Stdout',
    data: Uint8Array.of(0x78),
  });
});

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}
