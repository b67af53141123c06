/**
 * How fast messages become frames and frames messages, beside JSON, msgpackr and protobufjs with the same messages in
 * the same run. Run it with Node: `node bench/proto/throughput.ts`.
 */
import {
  decodeFrame,
  encodeFrame,
  encodeFrameParts,
  FrameDecoder,
  type Message,
} from '../../packages/vzagent-proto/src/index.ts';
import { WORKLOADS } from './messages.ts';
import { YARDSTICKS } from './yardsticks.ts';

const SOCKET_CHUNK = 64 * 1024;
const MEASURE_MS = 500;
const BATCH_BYTES = 4_000_000;

console.log(
  `Node ${process.versions.node}. MB: millions of bytes of our frames, or as many messages in the other encodings.`,
);
console.log('decodeFrame makes views and does not touch the data; FrameDecoder copies what spans 64 KiB chunks;');
console.log(
  'encodeFrameParts copies no data. The ratios are to encodeFrame and to decodeFrame: above 1 we are quicker.',
);
for (const [title, messages] of Object.entries(WORKLOADS)) report(title, messages);

/** Measures batches of the messages, and prints a row for each way to encode or decode them. */
function report(title: string, messages: readonly Message[]): void {
  const size = messages.reduce((sum, message) => sum + encodeFrame(message).length, 0);
  const batch = Array.from({ length: Math.ceil(BATCH_BYTES / size) }, () => messages).flat();
  const frames = batch.map(encodeFrame);
  const chunks = chunksOf(Buffer.concat(frames));
  const row = (name: string, run: () => number, ours?: number): number => {
    const perSecond = messagesPerSecond(batch.length, run);
    const bytes = (perSecond * size) / messages.length;
    const ratio = ours === undefined ? '' : `${(ours / perSecond).toFixed(1)} x`;
    const columns = [`${(bytes / 1e6).toFixed(0)} MB/s`.padStart(14), `${perSecond.toFixed(0)} /s`.padStart(16)];
    console.log([name.padEnd(20), ...columns, ratio.padStart(9)].join(''));
    return perSecond;
  };
  console.log(`\n${title}`);
  const encoded = row('encodeFrame', () => total(batch, (message) => encodeFrame(message).length));
  row('encodeFrameParts', () => total(batch, (message) => encodeFrameParts(message).length), encoded);
  for (const [name, { prepare, encode }] of Object.entries(YARDSTICKS)) {
    const prepared = batch.map(prepare);
    row(`${name} encode`, () => total(prepared, (message) => encode(message).length), encoded);
  }
  const decoded = row('decodeFrame', () => total(frames, (frame) => weight(decodeFrame(frame))));
  row('FrameDecoder', () => decodeStream(chunks), decoded);
  for (const [name, { prepare, encode, decode }] of Object.entries(YARDSTICKS)) {
    const texts = batch.map((message) => Uint8Array.from(encode(prepare(message)))).map((bytes) => Buffer.from(bytes));
    row(`${name} decode`, () => total(texts, (text) => weight(decode(text))), decoded);
  }
}

/** Runs for half the time unmeasured, to let the compiler settle, and then measured. */
function messagesPerSecond(batch: number, run: () => number): number {
  const during = (ms: number): number => {
    const begin = performance.now();
    let runs = 0;
    for (; performance.now() - begin < ms; runs++) {
      if (run() < batch) throw new Error('messages were lost');
    }
    return (runs * batch * 1000) / (performance.now() - begin);
  };
  during(MEASURE_MS / 2);
  return during(MEASURE_MS);
}

function total<T>(items: readonly T[], weigh: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += weigh(item);
  return total;
}

/** Looks at the message, so that making it cannot be optimised away. */
function weight(message: object): number {
  return 'data' in message ? 1 + (message.data as Uint8Array).length : 1;
}

/** Through a decoder as from a socket: in chunks that do not keep to the frames. */
function decodeStream(chunks: readonly Uint8Array[]): number {
  const decoder = new FrameDecoder();
  let total = 0;
  for (const chunk of chunks) for (const message of decoder.push(chunk)) total += weight(message);
  decoder.end();
  return total;
}

function chunksOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / SOCKET_CHUNK) }, (_, i) =>
    bytes.subarray(i * SOCKET_CHUNK, (i + 1) * SOCKET_CHUNK),
  );
}
