import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DecompressionError, decompress } from './decompress.ts';

const text = Buffer.from('a layer, a layer, a layer '.repeat(5000));
const noise = randomBytes(300_000);
/** A frame that decoders skip; seekable archives keep their tables in such. */
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function decompressed(bytes: Buffer, size = 1000): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(inPieces(bytes, size))) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe('a layer comes out whole', () => {
  const both = Buffer.concat([text, noise]);
  test.each([
    ['plain', both],
    ['gzip', gzipSync(both)],
    ['gzip of several members', Buffer.concat([gzipSync(text), gzipSync(noise)])],
    ['gzip padded with zeros', Buffer.concat([gzipSync(both), Buffer.alloc(5000)])],
    ['zstd', zstdCompressSync(both)],
    ['zstd of several frames', Buffer.concat([zstdCompressSync(text), zstdCompressSync(noise)])],
    [
      'zstd with skippable frames',
      Buffer.concat([skippable, zstdCompressSync(text), skippable, zstdCompressSync(noise), skippable]),
    ],
  ])('%s', async (_, bytes) => {
    for (const size of [7919, 65_536, bytes.length]) {
      expect((await decompressed(bytes, size)).equals(both), `in pieces of ${size}`).toBe(true);
    }
  });

  test('however small the pieces are', async () => {
    const small = Buffer.concat([zstdCompressSync('one '), skippable, zstdCompressSync('two')]);
    expect((await decompressed(small, 1)).toString()).toBe('one two');
    expect((await decompressed(Buffer.concat([gzipSync('one '), gzipSync('two')]), 1)).toString()).toBe('one two');
    expect((await decompressed(Buffer.alloc(0))).length).toBe(0);
  });
});

describe('a layer that is not whole is never taken for one', () => {
  test.each([
    ['gzip cut off', gzipSync(noise).subarray(0, -5)],
    ['zstd cut off', zstdCompressSync(noise).subarray(0, -5)],
    [
      'zstd cut off in its second frame',
      Buffer.concat([zstdCompressSync(text), zstdCompressSync(noise).subarray(0, 900)]),
    ],
    ['gzip with something behind it', Buffer.concat([gzipSync(text), Buffer.from('garbage')])],
    ['gzip with something behind zeros', Buffer.concat([gzipSync(text), Buffer.alloc(9), Buffer.from('garbage')])],
    ['zstd with something behind it', Buffer.concat([zstdCompressSync(text), Buffer.from('garbage')])],
    ['damaged gzip', gzipSync(noise).fill(0, 1000, 1100)],
    ['damaged zstd', zstdCompressSync(text).fill(0xff, 20, 40)],
  ])('%s', async (_, bytes) => {
    for (const size of [1000, bytes.length]) {
      await expect(decompressed(bytes, size)).rejects.toBeInstanceOf(DecompressionError);
    }
  });

  test('the failure of its source is passed on as it is', async () => {
    const failure = new Error('disk');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield gzipSync(noise).subarray(0, 5000);
      throw failure;
    }
    await expect(decompress(failing()).next()).rejects.toBe(failure);
  });

  test('and whoever stops reading closes the source', async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield* inPieces(gzipSync(noise), 10_000);
      } finally {
        closed = true;
      }
    }
    for await (const _ of decompress(endless())) break;
    expect(closed).toBe(true);
  });
});
