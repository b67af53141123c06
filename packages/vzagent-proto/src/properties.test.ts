import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFrame, encodeFrame } from './frame.ts';
import { FrameDecoder } from './frame-decoder.ts';
import type { Message } from './message.ts';
import { ProtocolError, type ProtocolErrorCode } from './protocol-error.ts';
import { discriminantOf, SCHEMA } from './schema.ts';
import { anyMessage } from './testing/any-message.ts';

test('every message comes back as it was sent', () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      const frame = encodeFrame(message);
      expect(frame.buffer.byteLength).toBe(frame.length);
      expect(decodeFrame(frame)).toStrictEqual(message);
    }),
    { numRuns: 500 },
  );
});

test('any split of a stream gives the same messages', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 8 }), fc.infiniteStream(fc.nat({ max: 200 })), (messages, sizes) => {
      const decoder = new FrameDecoder();
      const stream = Buffer.concat(messages.map(encodeFrame));
      const decoded = split(stream, sizes).flatMap((piece) => [...decoder.push(piece)]);
      decoder.end();
      expect(decoded).toStrictEqual(messages);
    }),
    { numRuns: 300 },
  );
});

test('random bytes give a ProtocolError or a message, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      outcomeOf(() => [decodeFrame(bytes)]);
      streamOutcome([bytes]);
    }),
    { numRuns: 2000 },
  );
});

test('random payloads under a correct prefix and tag give a ProtocolError or a message, and nothing else', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SCHEMA.map(({ tag }) => tag)), fc.uint8Array({ maxLength: 64 }), (tag, fields) => {
      const frame = Uint8Array.of(fields.length + 2, 0, 0, 0, tag, discriminantOf(tag), ...fields);
      expect(streamOutcome([frame])).toStrictEqual(outcomeOf(() => [decodeFrame(frame)]));
    }),
    { numRuns: 5000 },
  );
});

test('a damaged stream fails or decodes the same way, however it is split', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  const messages = fc.array(anyMessage, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(messages, damage, fc.infiniteStream(fc.nat({ max: 50 })), (sent, changes, sizes) => {
      const stream = Buffer.concat(sent.map(encodeFrame));
      for (const [at, value] of changes) stream[at % stream.length] = value;
      expect(streamOutcome(split(stream, sizes))).toStrictEqual(streamOutcome([stream]));
    }),
    { numRuns: 1000 },
  );
});

test('a frame cut anywhere is reported as cut', () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), (message, at) => {
      const frame = encodeFrame(message);
      const cut = frame.slice(0, at % frame.length);
      expect(outcomeOf(() => [decodeFrame(cut)]).code).toBe('TRUNCATED');
    }),
  );
});

interface Outcome {
  messages: Message[];
  code: ProtocolErrorCode | undefined;
  offset: number | undefined;
}

function streamOutcome(chunks: readonly Uint8Array[]): Outcome {
  const decoder = new FrameDecoder();
  return outcomeOf(function* () {
    for (const chunk of chunks) yield* decoder.push(chunk);
    decoder.end();
  });
}

/** The messages up to the error and the error's code; an error that is not a ProtocolError is passed on. */
function outcomeOf(decode: () => Iterable<Message>): Outcome {
  const messages: Message[] = [];
  try {
    for (const message of decode()) messages.push(message);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { messages, code: error.code, offset: error.offset };
  }
  return { messages, code: undefined, offset: undefined };
}

function split(bytes: Uint8Array, sizes: Iterator<number>): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Number(sizes.next().value);
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
}
