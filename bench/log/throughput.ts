/**
 * How fast output gets into a json-file log, beside a yardstick in the same run: the same bytes as they are appended to a
 * file by the same number of calls. Run it with Node: `node bench/log/throughput.ts [MEGABYTES]`.
 */
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonFileLog, readJsonFileLog } from '../../packages/host/src/index.ts';

const CHUNK_BYTES = 64 * 1024;
const ROUNDS = 3;
/** Chunks that are taken before the first of them is in the file. */
const DEPTH = 4;
const total = Number(process.argv[2] ?? 256) * 1e6;

const chunkOf = (line: string): Buffer =>
  Buffer.from(line.repeat(Math.ceil(CHUNK_BYTES / line.length))).subarray(0, CHUNK_BYTES);
const WORKLOADS = {
  'lines of 1000 bytes': chunkOf(`${'x'.repeat(999)}\n`),
  'lines of 100 bytes': chunkOf(`${'x'.repeat(99)}\n`),
  'JSON, lines of 120': chunkOf(`${JSON.stringify({ level: 'info', message: 'y'.repeat(86) })}\n`),
  'lines of 10 bytes': chunkOf(`${'x'.repeat(9)}\n`),
  'no lines at all': chunkOf('x'.repeat(CHUNK_BYTES)),
};

const directory = await mkdtemp(join(tmpdir(), 'bench-log-'));
const path = join(directory, 'container.log');
try {
  console.log(
    `Node ${process.versions.node}; ${total / 1e6} MB of output in chunks of 64 KiB, rotated at 64 MiB, best of ${ROUNDS}.`,
  );
  console.log(`${''.padEnd(22)}${'appended'.padStart(12)}${'logged'.padStart(12)}${'ratio'.padStart(8)}`);
  for (const [name, chunk] of Object.entries(WORKLOADS)) {
    const plain = await best(() => append(chunk));
    const logged = await best(() => log(chunk));
    console.log(
      `${name.padEnd(22)}${plain.toFixed(0).padStart(7)} MB/s${logged.toFixed(0).padStart(7)} MB/s${(logged / plain).toFixed(2).padStart(8)}`,
    );
  }
  await large();
} finally {
  await rm(directory, { recursive: true });
}

async function best(run: () => Promise<void>): Promise<number> {
  let fastest = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const begin = performance.now();
    await run();
    fastest = Math.max(fastest, total / 1e3 / (performance.now() - begin));
    await rm(directory, { recursive: true });
    await mkdir(directory);
  }
  return fastest;
}

async function append(chunk: Buffer): Promise<void> {
  await using file = await open(path, 'a');
  for (let written = 0; written < total; written += chunk.length) await file.appendFile(chunk);
}

async function log(chunk: Buffer): Promise<void> {
  const writer = await JsonFileLog.open(path, { run: 'bench' });
  const underWay: Promise<void>[] = [];
  for (let offset = 0; offset < total; offset += chunk.length) {
    underWay.push(writer.write('stdout', chunk, { offset }));
    if (underWay.length >= DEPTH) await underWay.shift();
  }
  await writer.close();
}

/** The tail and a time in a log of 1 GB. */
async function large(): Promise<void> {
  const writer = await JsonFileLog.open(path, { maxBytes: 2 ** 31 });
  const chunk = WORKLOADS['lines of 100 bytes'];
  let time = 0;
  for (let written = 0; written < 1e9; written += chunk.length) {
    await writer.write('stdout', chunk, { time: new Date(time) });
    time += 1000;
  }
  await writer.close();
  for (const [name, options] of [
    ['tail of 100', { tail: 100 }],
    ['since, last second', { since: new Date(time - 1000) }],
  ] as const) {
    const begin = performance.now();
    let entries = 0;
    for await (const _ of readJsonFileLog(path, options)) entries += 1;
    console.log(`${name} of 1 GB: ${entries} entries in ${(performance.now() - begin).toFixed(1)} ms`);
  }
}
