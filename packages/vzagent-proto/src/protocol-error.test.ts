import { describe, expect, test } from 'vitest';
import { decodeFrame, encodeFrame } from './frame.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { MAX_FRAME_LENGTH } from './limits.ts';
import type { Message } from './message.ts';
import { ProtocolError, type ProtocolErrorCode } from './protocol-error.ts';

type Fault = readonly [what: string, offset: number | undefined, provoke: () => unknown];

const run: Message = { type: 'Run', argv: [], env: [], cwd: null, uid: 0, gid: 0 };

/** Every code with what provokes it. */
const FAULTS: { readonly [Code in ProtocolErrorCode]: readonly Fault[] } = {
  EMPTY_FRAME: [['a length of 0', 0, () => decode('00000000')]],
  FRAME_TOO_LARGE: [
    ['a length of 16 MiB + 1', 0, () => decode('01000001 04')],
    ['a length of 4 GiB - 1', 0, () => decode('ffffffff 04')],
    ['output of 16 MiB', undefined, () => encode({ type: 'Stdout', data: new Uint8Array(MAX_FRAME_LENGTH) })],
    ['a string of 16 MiB', undefined, () => encode({ type: 'Error', message: 'x'.repeat(MAX_FRAME_LENGTH) })],
    ['a longer string', undefined, () => encode({ type: 'Error', message: 'x'.repeat(MAX_FRAME_LENGTH + 1) })],
  ],
  UNKNOWN_TAG: [
    ['tag 0', 4, () => decode('02000000 00 00')],
    ['tag 15', 4, () => decode('02000000 0f 0e')],
    ['tag 255', 4, () => decode('02000000 ff 00')],
    ['a type that does not exist', undefined, () => encode({ type: 'Nonsense' })],
    ['a type that every object has', undefined, () => encode({ type: 'constructor' })],
  ],
  WRONG_DIRECTION: [
    ['a guest that sends Run', 4, () => [...new FrameDecoder({ direction: 'toHost' }).push(encodeFrame(run))]],
    [
      'a host that sends Exited',
      4,
      () => [...new FrameDecoder({ direction: 'toGuest' }).push(encodeFrame({ type: 'Exited', code: 0 }))],
    ],
  ],
  TAG_MISMATCH: [
    ['Stdout with the discriminant of Stderr', 5, () => decode('03000000 04 04 00')],
    ['a discriminant that is the tag', 5, () => decode('02000000 0c 0c')],
  ],
  TRUNCATED: [
    ['nothing', 0, () => decode('')],
    ['half a length', 2, () => decode('0200')],
    ['no tag', 4, () => decode('02000000')],
    ['half a frame', 5, () => decode('02000000 0c')],
    ['no discriminant', 5, () => decode('01000000 0c')],
    ['no field', 6, () => decode('02000000 03 02')],
    ['half an integer', 7, () => decode('03000000 03 02 80')],
    ['half a string', 7, () => decode('04000000 08 07 02 78')],
    ['a byte vector longer than its frame', 7, () => decode('04000000 04 03 02 78')],
    ['a byte vector of 2^69 bytes', 16, () => decode('0c000000 04 03 ffffffffffffffffff7f')],
    ['a list with more elements than bytes', 11, () => decode('07000000 01 00 ffffffff0f')],
    ['no value behind the marker of an option', 9, () => decode('05000000 01 00 00 00 01')],
    [
      'a stream that ends within a frame',
      3,
      () => {
        const decoder = new FrameDecoder();
        expect([...decoder.push(Uint8Array.of(2, 0, 0))]).toEqual([]);
        decoder.end();
      },
    ],
  ],
  TRAILING_BYTES: [
    ['a byte after the frame', 6, () => decode('02000000 0c 0b 00')],
    ['a byte after the message', 6, () => decode('03000000 0c 0b 00')],
    ['a byte after the data', 8, () => decode('05000000 04 03 01 7878')],
  ],
  BAD_VARINT: [
    ['a u16 of four bytes', 6, () => decode('06000000 09 08 80808001')],
    ['an i32 of six bytes', 6, () => decode('08000000 03 02 808080808001')],
    ['an i64 of eleven bytes', 6, () => decode('0d000000 0e 0d 8080808080808080808001')],
    ['a u53 of eleven bytes', 6, () => decode('0d000000 32 32 8080808080808080808000')],
    ['a length of eleven bytes', 6, () => decode('0d000000 04 03 8080808080808080808000')],
    ['a discriminant of six bytes', 5, () => decode('07000000 0c 8b8080808000')],
  ],
  OUT_OF_RANGE: [
    ['a u16 of 65536', 6, () => decode('05000000 09 08 808004')],
    ['a 32-bit integer of 2^32', 6, () => decode('07000000 03 02 8080808010')],
    ['a 64-bit integer of 2^64', 6, () => decode('0c000000 0e 0d 80808080808080808002')],
    ['a port of 65536', undefined, () => encode({ type: 'Forward', port: 65536 })],
    ['a port of -1', undefined, () => encode({ type: 'Forward', port: -1 })],
    ['a port of 80.5', undefined, () => encode({ type: 'Forward', port: 80.5 })],
    ['a port of NaN', undefined, () => encode({ type: 'Forward', port: Number.NaN })],
    ['a uid of 2^32', undefined, () => encode({ ...run, uid: 2 ** 32 })],
    ['an infinite uid', undefined, () => encode({ ...run, uid: Number.POSITIVE_INFINITY })],
    ['a signal of 2^31', undefined, () => encode({ type: 'Signal', signum: 2 ** 31 })],
    ['a signal of -2^31 - 1', undefined, () => encode({ type: 'Signal', signum: -(2 ** 31) - 1 })],
    ['a time of 2^63', undefined, () => encode({ type: 'SetTime', unixSecs: 2n ** 63n })],
    ['a time of -2^63 - 1', undefined, () => encode({ type: 'SetTime', unixSecs: -(2n ** 63n) - 1n })],
    ['a u53 of 2^53', 6, () => decode('0a000000 32 32 8080808080808010')],
    ['a u53 of 2^53 + 1', 6, () => decode('0a000000 32 32 8180808080808010')],
    ['a u53 of 2^64 - 1', 6, () => decode('0c000000 32 32 ffffffffffffffffff01')],
    ['a process of 2^53', undefined, () => encode({ type: 'Wait', process: 2 ** 53 })],
    ['a process of -1', undefined, () => encode({ type: 'Wait', process: -1 })],
    ['a prefix length of 256', undefined, () => encode(overlay({ prefixLen: 256 }))],
    ['a keep-alive of 2^64', undefined, () => encode(overlay({ peers: [peer(2n ** 64n)] }))],
    ['a keep-alive of -1', undefined, () => encode(overlay({ peers: [peer(-1n)] }))],
  ],
  BAD_UTF8: [
    ['a lone continuation byte', 7, () => decode('04000000 08 07 01 80')],
    ['an encoded surrogate', 7, () => decode('06000000 08 07 03 eda080')],
    ['an overlong encoding', 7, () => decode('05000000 08 07 02 c080')],
    ['a code point beyond Unicode', 7, () => decode('07000000 08 07 04 f4908080')],
    ['half a code point', 7, () => decode('04000000 08 07 01 c3')],
    ['a high surrogate at the end', undefined, () => encode({ type: 'Error', message: 'x\uD800' })],
    ['a high surrogate before a letter', undefined, () => encode({ type: 'Error', message: '\uD800x' })],
    ['two high surrogates', undefined, () => encode({ type: 'Error', message: '\uD800\uD800\uDC00' })],
    ['a lone low surrogate', undefined, () => encode({ ...run, argv: ['\uDC00'] })],
  ],
  BAD_BOOL: [['a boolean of 2', 8, () => decode('05000000 0a 09 00 00 02')]],
  BAD_OPTION: [['an option of 2', 8, () => decode('07000000 01 00 00 00 02 00 00')]],
  BAD_VARIANT: [
    ['the index of no variant', 6, () => decode('04000000 22 22 0a 00')],
    ['a name that is no variant', undefined, () => encode({ type: 'Failed', kind: 'odd', message: '' })],
    ['a name that every object has', undefined, () => encode({ type: 'Failed', kind: 'constructor', message: '' })],
  ],
  BAD_TYPE: [
    ['an index as variant', undefined, () => encode({ type: 'Failed', kind: 0, message: '' })],
    ['a bigint as u53', undefined, () => encode({ type: 'Wait', process: 1n })],
    ['no message', undefined, () => encode(null)],
    ['no type', undefined, () => encode({})],
    ['text instead of bytes', undefined, () => encode({ type: 'Stdout', data: 'hello' })],
    ['a missing field', undefined, () => encode({ type: 'Signal' })],
    ['a bigint as signal', undefined, () => encode({ type: 'Signal', signum: 15n })],
    ['a number as time', undefined, () => encode({ type: 'SetTime', unixSecs: 15 })],
    ['undefined instead of null', undefined, () => encode({ ...run, cwd: undefined })],
    ['a string as arguments', undefined, () => encode({ ...run, argv: 'sh' })],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ['arguments with a hole', undefined, () => encode({ ...run, argv: ['sh', , 'x'] })],
    ['a variable without value', undefined, () => encode({ ...run, env: [['PATH']] })],
    ['a boolean of 1', undefined, () => encode({ type: 'Mount', tag: '', target: '', readonly: 1 })],
    ['a peer that is null', undefined, () => encode(overlay({ peers: [null] }))],
    ['a string to decode', undefined, () => Reflect.apply(decodeFrame, undefined, ['02000000'])],
    ['a string in the stream', undefined, () => Reflect.apply(FrameDecoder.prototype.push, new FrameDecoder(), ['x'])],
  ],
  ENDED: [
    [
      'bytes after the end of the stream',
      undefined,
      () => {
        const decoder = new FrameDecoder();
        decoder.end();
        decoder.push(Uint8Array.of(0));
      },
    ],
  ],
};

for (const [code, faults] of Object.entries(FAULTS)) {
  describe(`${code} tells the caller of`, () => {
    test.each(faults)('%s', (_what, offset, provoke) => {
      const error = errorOf(provoke);
      expect(error).toBeInstanceOf(ProtocolError);
      expect(error).toMatchObject({ name: 'ProtocolError', code, offset });
    });
  });
}

test('an error names the field at fault and never what a string holds', () => {
  const secret = 'c2VjcmV0\uD800';
  const error = errorOf(() => encode(overlay({ privateKey: secret })));
  expect(String(error)).toBe('ProtocolError: OverlayConfig.privateKey: the string has a lone surrogate');
  expect(String(errorOf(() => encode({ ...run, env: [['K', 7]] })))).toContain('Run.env[][1]: number where a string');
  expect(String(errorOf(() => decode('05000000 09 08 808004')))).toContain('Forward.port: 65536 is more than 65535');
});

test('a frame of exactly 16 MiB crosses', () => {
  // Tag, discriminant and the four bytes of the data's length stand before the data.
  const data = new Uint8Array(MAX_FRAME_LENGTH - 6).fill(0x5a);
  const frame = encodeFrame({ type: 'Stdout', data });
  expect(frame.length).toBe(4 + MAX_FRAME_LENGTH);
  const message = decodeFrame(frame);
  expect(message.type === 'Stdout' && Buffer.compare(message.data, data)).toBe(0);
  expect(errorOf(() => encode({ type: 'Stdout', data: new Uint8Array(data.length + 1) }))).toMatchObject({
    code: 'FRAME_TOO_LARGE',
  });
});

function decode(hex: string): Message {
  return decodeFrame(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

/** What a program without types could pass. */
function encode(message: unknown): unknown {
  return Reflect.apply(encodeFrame, undefined, [message]);
}

function overlay(fields: Record<string, unknown>): unknown {
  const empty = { overlayIp: '', prefixLen: 0, privateKey: '', listenPort: 0, peers: [] };
  return { type: 'OverlayConfig', ...empty, dnsServer: null, dnsDomain: null, ...fields };
}

function peer(persistentKeepaliveSecs: bigint): unknown {
  return { publicKey: '', endpoint: '', allowedIps: '', persistentKeepaliveSecs };
}

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
