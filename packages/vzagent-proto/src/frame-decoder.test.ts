import { expect, expectTypeOf, test } from 'vitest';
import { encodeFrame } from './frame.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { MAX_FRAME_LENGTH } from './limits.ts';
import type { Message, UnknownMessage } from './message.ts';

const started: Message = { type: 'Started', pid: 7 };
const hello: Message = { type: 'Stdout', data: new TextEncoder().encode('hello\n') };
const exited: Message = { type: 'Exited', code: 0 };
const unknownFrame = Uint8Array.of(3, 0, 0, 0, 31, 1, 2);

test('messages come out in order, whatever pieces they come in', () => {
  const stream = Buffer.concat([started, hello, exited].map(encodeFrame));
  for (let size = 1; size <= stream.length; size++) {
    const decoder = new FrameDecoder();
    const messages = pieces(stream, size).flatMap((piece) => [...decoder.push(piece)]);
    decoder.end();
    expect(messages).toStrictEqual([started, hello, exited]);
  }
});

test('output within one chunk is not copied', () => {
  const data = new Uint8Array(64 * 1024).fill(1);
  const chunk = Buffer.concat([encodeFrame(started), encodeFrame({ type: 'Stdout', data })]);
  const [, message] = new FrameDecoder().push(chunk);
  if (message?.type !== 'Stdout') throw new Error('no Stdout');
  expect(message.data.buffer).toBe(chunk.buffer);
  expect(message.data.byteOffset).toBe(chunk.byteOffset + chunk.length - data.length);
  // A plain Uint8Array, although the chunk is a Buffer.
  expect(Object.getPrototypeOf(message.data)).toBe(Uint8Array.prototype);
});

test('messages kept from a frame in pieces are not overwritten by the next frame', () => {
  const decoder = new FrameDecoder();
  const other: Message = { type: 'Stdout', data: new TextEncoder().encode('other\n') };
  const stream = Buffer.concat([hello, other].map(encodeFrame));
  const messages = pieces(stream, 3).flatMap((piece) => [...decoder.push(piece)]);
  expect(messages).toStrictEqual([hello, other]);
});

test('a frame of 16 MiB in small pieces is not copied again with every piece', () => {
  const data = new Uint8Array(MAX_FRAME_LENGTH - 6).fill(0x5a);
  const frame = encodeFrame({ type: 'Stdout', data });
  const decoder = new FrameDecoder();
  const begin = performance.now();
  const messages = pieces(frame, 512).flatMap((piece) => [...decoder.push(piece)]);
  // Copying what is held with each of the 32768 pieces would move 256 GiB.
  expect(performance.now() - begin).toBeLessThan(3000);
  const [message] = messages;
  expect(messages.length).toBe(1);
  expect(message?.type === 'Stdout' && Buffer.compare(message.data, data)).toBe(0);
});

test('a peer that claims long frames and sends little costs little memory', () => {
  const claim = Uint8Array.of(0, 0, 0, 1, 4, 3);
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 100 }, () => new FrameDecoder());
  for (const decoder of decoders) {
    for (const piece of pieces(claim, 1)) expect([...decoder.push(piece)]).toEqual([]);
    expect([...decoder.push(new Uint8Array(100))]).toEqual([]);
  }
  // 100 claims of 16 MiB; taking them at their word would be 1.6 GiB.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
});

test('a half-read frame holds at most twice what came of it', () => {
  const received = 1024 * 1024;
  const piece = new Uint8Array(4096);
  const decoder = new FrameDecoder();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  expect([...decoder.push(Uint8Array.of(0, 0, 0, 1, 4, 3))]).toEqual([]);
  for (let i = 0; i < received / piece.length; i++) {
    expect([...decoder.push(piece)]).toEqual([]);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  // Twice for the buffer, and buffers outgrown but not yet collected: 2 + 1 + 1/2 + …
  expect(most).toBeLessThan(4.5 * received);
});

test('an over-long or empty frame fails at its fourth byte, an unknown tag at its fifth', () => {
  expect(failureOf(Uint8Array.of(1, 0, 0, 1))).toMatchObject({ code: 'FRAME_TOO_LARGE' });
  expect(failureOf(Uint8Array.of(0, 0, 0, 0))).toMatchObject({ code: 'EMPTY_FRAME' });
  expect(failureOf(Uint8Array.of(0, 0, 0, 1, 99))).toMatchObject({ code: 'UNKNOWN_TAG' });
});

test('messages before a fault arrive, and after it the decoder stays failed', () => {
  const decoder = new FrameDecoder();
  const stream = Buffer.concat([encodeFrame(started), Buffer.alloc(4), encodeFrame(exited)]);
  const messages: Message[] = [];
  const drain = () => {
    for (const message of decoder.push(stream)) messages.push(message);
  };
  expect(drain).toThrow(expect.objectContaining({ code: 'EMPTY_FRAME' }));
  expect(drain).toThrow(expect.objectContaining({ code: 'EMPTY_FRAME' }));
  expect(() => decoder.end()).toThrow(expect.objectContaining({ code: 'EMPTY_FRAME' }));
  expect(messages).toStrictEqual([started]);
});

test('what a caller leaves in a chunk is there with the next one', () => {
  const decoder = new FrameDecoder();
  for (const message of decoder.push(Buffer.concat([started, hello].map(encodeFrame)))) {
    expect(message).toStrictEqual(started);
    break;
  }
  expect([...decoder.push(encodeFrame(exited))]).toStrictEqual([hello, exited]);
  decoder.end();
});

test('a stream may end between frames only', () => {
  const whole = new FrameDecoder();
  expect([...whole.push(encodeFrame(hello))]).toStrictEqual([hello]);
  whole.end();
  for (let length = 1; length < encodeFrame(hello).length; length++) {
    const cut = new FrameDecoder();
    expect([...cut.push(encodeFrame(hello).subarray(0, length))]).toEqual([]);
    expect(() => cut.end()).toThrow(expect.objectContaining({ code: 'TRUNCATED', offset: length }));
  }
});

test('a peer with extensions gets frames with unknown tags, in order and undecoded', () => {
  const stream = Buffer.concat([encodeFrame(started), unknownFrame, encodeFrame(exited)]);
  const unknown: UnknownMessage = { type: 'Unknown', tag: 31, payload: Uint8Array.of(1, 2) };
  for (const size of [1, 6, stream.length]) {
    const decoder = new FrameDecoder({ unknownTags: 'report', direction: 'toHost' });
    const messages = pieces(stream, size).flatMap((piece) => [...decoder.push(piece)]);
    expect(messages).toStrictEqual([started, unknown, exited]);
  }
  expect(failureOf(unknownFrame)).toMatchObject({ code: 'UNKNOWN_TAG', offset: 4 });
});

test('only who asks for unknown tags has to handle them', () => {
  expectTypeOf(new FrameDecoder({ direction: 'toHost' }).push).returns.toEqualTypeOf<Iterable<Message>>();
  expectTypeOf(new FrameDecoder({ unknownTags: 'report' }).push).returns.toEqualTypeOf<
    Iterable<Message | UnknownMessage>
  >();
});

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}

function failureOf(bytes: Uint8Array): unknown {
  try {
    for (const _message of new FrameDecoder().push(bytes));
  } catch (error) {
    return error;
  }
  return undefined;
}
