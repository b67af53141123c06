import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeAppleLz4, encodeAppleLz4 } from './apple-lz4.ts';

const run = promisify(execFile);

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}
const encode = (data: Buffer): Promise<Buffer> => collect(encodeAppleLz4([data]));
const decode = (data: Uint8Array, maxBytes = 64 * 1024 * 1024): Promise<Buffer> =>
  collect(decodeAppleLz4([data], { maxBytes }));

/** Text, holes, noise and repetition, as disks have it. */
function disk(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  let seed = 42;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 8;
  };
  for (let at = 0; at < bytes; ) {
    const size = Math.min(bytes - at, 1 + (random() % 40_000));
    const kind = random() % 4;
    if (kind === 0) for (let index = 0; index < size; index += 1) data[at + index] = random();
    else if (kind === 1)
      data.write('the quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(size / 45)), at, size);
    else if (kind === 2 && at > 50_000) data.copy(data, at, at - 50_000, at - 50_000 + Math.min(size, 50_000));
    at += size;
  }
  return data;
}

interface Block {
  raw: number;
  data: Buffer;
  stored: boolean;
}

const frame = (blocks: readonly Block[]): Buffer =>
  Buffer.concat([
    ...blocks.flatMap(({ raw, data, stored }) => {
      const sizes = Buffer.alloc(stored ? 4 : 8);
      sizes.writeUInt32LE(raw, 0);
      if (!stored) sizes.writeUInt32LE(data.length, 4);
      return [Buffer.from(stored ? 'bv4-' : 'bv41'), sizes, data];
    }),
    Buffer.from('bv4$'),
  ]);

describe("Apple's LZ4", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'lz4-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each([0, 1, 11, 12, 13, 64 * 1024, 64 * 1024 + 1, 5_000_000])(
    'gives %i bytes back as they were',
    async (bytes) => {
      const data = disk(bytes);
      const encoded = await encode(data);
      expect((await decode(encoded)).equals(data)).toBe(true);
      if (bytes > 1_000_000) expect(encoded.length).toBeLessThan(bytes * 0.6);
    },
  );

  it('gives back whatever it is, in pieces of any size', async () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(4000)).map(([unit, count]) => {
        return Buffer.concat(Array(Math.ceil((count + 1) / unit.length)).fill(unit));
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), fc.integer({ min: 1, max: 5000 }), async (parts, cut) => {
        const data = Buffer.concat(parts);
        const encoded = await encode(data);
        const pieces = Array.from({ length: Math.ceil(encoded.length / cut) }, (_, index) =>
          encoded.subarray(index * cut, (index + 1) * cut),
        );
        expect((await collect(decodeAppleLz4(pieces, { maxBytes: data.length }))).equals(data)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  /** The frames of the `lz4` command hold the same blocks: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md */
  it('makes blocks that the lz4 command understands, also across their borders', async () => {
    const data = disk(3_000_000);
    const encoded = await encode(data);
    // Version 1, blocks that depend on each other, of at most 64 KiB; the header's checksum is known for these flags.
    const parts: Buffer[] = [Buffer.from('04224d184040c0', 'hex')];
    for (let at = 0; ; ) {
      const magic = encoded.toString('latin1', at, at + 4);
      if (magic === 'bv4$') break;
      const stored = magic === 'bv4-';
      const size = encoded.readUInt32LE(at + (stored ? 4 : 8));
      const head = Buffer.alloc(4);
      head.writeUInt32LE(stored ? (size | 0x80000000) >>> 0 : size);
      at += stored ? 8 : 12;
      parts.push(head, encoded.subarray(at, at + size));
      at += size;
    }
    const file = join(directory, 'ours.lz4');
    writeFileSync(file, Buffer.concat([...parts, Buffer.alloc(4)]));
    await run('lz4', ['-d', '-f', '-q', file, join(directory, 'ours')]);
    expect(readFileSync(join(directory, 'ours')).equals(data)).toBe(true);
  });

  it.each(['-1', '-9', '-12'])('understands the blocks of the lz4 command with %s', async (level) => {
    const data = disk(2_000_000);
    const file = join(directory, 'theirs');
    writeFileSync(file, data);
    await run('lz4', [level, '-BD', '-B4', '--no-frame-crc', '-f', '-q', file, `${file}.lz4`]);
    const theirs = readFileSync(`${file}.lz4`);
    const blocks: Block[] = [];
    let left = data.length;
    for (let at = 7; theirs.readUInt32LE(at) !== 0; ) {
      const word = theirs.readUInt32LE(at);
      const size = word & 0x7fffffff;
      const raw = Math.min(64 * 1024, left);
      blocks.push({ raw, data: theirs.subarray(at + 4, at + 4 + size), stored: word >>> 31 === 1 });
      at += 4 + size;
      left -= raw;
    }
    expect(blocks.length).toBeGreaterThan(30);
    expect((await decode(frame(blocks))).equals(data)).toBe(true);
  });

  it('refuses what is damaged, and says how', async () => {
    const block = (hex: string, raw: number): Buffer => frame([{ raw, data: Buffer.from(hex, 'hex'), stored: false }]);
    const whole = await encode(Buffer.from('abcabcabcabcabcabcabcabcabcabcabc'));
    const large = Buffer.alloc(12);
    large.write('bv41');
    large.writeUInt32LE(0x7fffffff, 4);
    const wrong: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /cut off 4 bytes early/],
      [Buffer.from('bv40abcd'), /"bv40" begins no block/],
      [whole.subarray(0, whole.length - 5), /cut off/],
      [Buffer.concat([whole, Buffer.from('x')]), /something follows its end/],
      [large, /too large/],
      [block('', 0), /ends before its last literals/],
      [block('50616263', 5), /literals are cut off/],
      [block('f0', 15), /a length is cut off/],
      [block('1061', 0), /longer than it says/],
      [block('1061', 5), /has 1 bytes in place of 5/],
      [block('14610200', 20), /before the beginning/],
      [block('14610000', 20), /before the beginning/],
      [block('146101', 20), /an offset is cut off/],
      [block('1f610100', 40), /a length is cut off/],
      [block('1f6101001000', 8), /longer than it says/],
    ];
    for (const [data, why] of wrong) {
      await expect(decode(data)).rejects.toMatchObject({ code: 'PULL_FAILED', message: expect.stringMatching(why) });
    }
    await expect(decode(await encode(Buffer.alloc(100_000)), 99_999)).rejects.toThrow('more than 99999 bytes');
  });

  it('never fails otherwise, whatever is done to its bytes', async () => {
    const data = disk(200_000);
    const encoded = await encode(data);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(encoded.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const changed = Buffer.from(encoded);
          for (const [at, value] of changes) changed[at] = value;
          await decode(changed, data.length).catch((error) => expect(error).toMatchObject({ code: 'PULL_FAILED' }));
        },
      ),
      { numRuns: 300 },
    );
  });
});
