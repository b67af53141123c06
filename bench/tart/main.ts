// How fast a piece of a Tart image is decompressed, and written to a disk with its digest checked, beside the `lz4` command with
// the same blocks in a frame of its own.
//
//   node bench/tart/main.ts [MEGABYTES]

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../../packages/oci-pull/src/index.ts';
import { decodeAppleLz4, encodeAppleLz4 } from '../../packages/vz-macos/src/lz4/apple-lz4.ts';
import { writeChunk } from '../../packages/vz-macos/src/tart/write-chunk.ts';

const MIB = 1024 ** 2;
const RUNS = 5;
const bytes = Number(process.argv[2] ?? 256) * MIB;
const folder = await mkdtemp(join(tmpdir(), 'tart-bench-'));
const path = (name: string): string => join(folder, name);

/** Programs and libraries of this machine: what a disk mostly holds. */
async function* content(): AsyncGenerator<Buffer> {
  const files = execFileSync('find', ['/usr/lib', '/usr/bin', '-type', 'f', '-size', '+64k'], { encoding: 'utf8' });
  let left = bytes;
  for (const file of files.trim().split('\n').sort()) {
    for await (const piece of createReadStream(file, { highWaterMark: MIB })) {
      yield (piece as Buffer).subarray(0, left);
      left -= Math.min(left, (piece as Buffer).length);
      if (left === 0) return;
    }
  }
  throw new Error(`this machine has no ${bytes} bytes of programs`);
}

/** The same blocks as a frame of the `lz4` command. */
async function* asFrame(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from('04224d184040c0', 'hex');
  for await (const block of source) {
    const magic = block.toString('latin1', 0, 4);
    const head = Buffer.alloc(4);
    const stored = magic === 'bv4-';
    if (magic !== 'bv4$')
      head.writeUInt32LE(stored ? (block.readUInt32LE(4) | 0x80000000) >>> 0 : block.readUInt32LE(8));
    yield head;
    if (magic !== 'bv4$') yield block.subarray(stored ? 8 : 12);
  }
}

async function median(work: () => Promise<void> | void): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
}

try {
  await pipeline(Readable.from(content()), createWriteStream(path('raw')));
  const began = performance.now();
  await pipeline(Readable.from(encodeAppleLz4(createReadStream(path('raw')))), createWriteStream(path('apple')));
  const encoding = performance.now() - began;
  await pipeline(
    Readable.from(asFrame(encodeAppleLz4(createReadStream(path('raw'))))),
    createWriteStream(path('frame')),
  );
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path('raw'))) hash.update(piece);
  const chunk = {
    offset: 0,
    rawSize: bytes,
    rawDigest: `sha256:${hash.digest('hex')}` as Digest,
    digest: 'sha256:0' as Digest,
  };
  const blob = () => createReadStream(path('apple'), { highWaterMark: MIB });

  const command = await median(() => void execFileSync('lz4', ['-d', '-q', '-f', path('frame'), '/dev/null']));
  const decoding = await median(async () => {
    let length = 0;
    for await (const piece of decodeAppleLz4(blob(), { maxBytes: bytes })) length += piece.length;
    if (length !== bytes) throw new Error(`${length} bytes`);
  });
  const writing = await median(async () => {
    await using disk = await open(path('disk'), 'w');
    await disk.truncate(bytes);
    await writeChunk(disk, chunk, blob());
  });

  const speed = (ms: number): string => `${(bytes / MIB / (ms / 1000)).toFixed(0)} MiB/s`;
  const packed = (await stat(path('apple'))).size / bytes;
  console.log(
    `${bytes / MIB} MiB of programs, compressed to ${packed.toFixed(2)}, median of ${RUNS} runs, load ${loadavg()[0]?.toFixed(1)}`,
  );
  console.log(`  lz4 -d to /dev/null           ${speed(command)}`);
  console.log(`  decoding                      ${speed(decoding)}  (${(command / decoding).toFixed(2)} × lz4)`);
  console.log(`  with digest, on a sparse disk ${speed(writing)}  (${(command / writing).toFixed(2)} × lz4)`);
  console.log(`  encoding                      ${speed(encoding)}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
