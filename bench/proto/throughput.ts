/**
 * How fast messages become frames and frames messages, beside a yardstick in the same run: the same messages as JSON
 * text with base64 data. Run it with Node: `node bench/proto/throughput.ts`.
 */
import { decodeFrame, encodeFrame, FrameDecoder, type Message } from '../../packages/vzagent-proto/src/index.ts';

const SOCKET_CHUNK = 64 * 1024;
const MEASURE_MS = 500;

const line = new TextEncoder().encode('hello, world\n');
const large: readonly Message[] = [{ type: 'Stdout', data: new Uint8Array(64 * 1024).fill(0x5a) }];
const small: readonly Message[] = [
  { type: 'Started', pid: 4242 },
  { type: 'Stdin', data: line },
  { type: 'Stdout', data: line },
  { type: 'Stderr', data: line },
  { type: 'Signal', signum: 15 },
  { type: 'Error', message: 'no such program: /bin/nonesuch' },
  { type: 'Exited', code: 143 },
];

console.log(`Node ${process.versions.node}; MB are millions of bytes of frames; the ratio is to JSON both times.`);
console.log('decodeFrame makes views and does not touch the data; FrameDecoder copies what spans 64 KiB chunks.');
report('64 KiB Stdout frames', large, 64);
report('small frames of seven kinds', small, 2000);

/** Measures `rounds` times the messages, and prints a row for each way to encode or decode them. */
function report(title: string, messages: readonly Message[], rounds: number): void {
  const batch = Array.from({ length: rounds }, () => messages).flat();
  const frames = batch.map(encodeFrame);
  const texts = batch.map(toJson);
  const chunks = chunksOf(Buffer.concat(frames));
  const frameSize = frames.reduce((sum, { length }) => sum + length, 0) / frames.length;
  const row = (name: string, run: () => number, yardstick?: number): number => {
    const perSecond = messagesPerSecond(batch.length, run);
    const columns = [
      name.padEnd(14),
      `${((perSecond * frameSize) / 1e6).toFixed(0)} MB/s`.padStart(14),
      `${perSecond.toFixed(0)} frames/s`.padStart(20),
      `${(perSecond / (yardstick ?? perSecond)).toFixed(1)} x`.padStart(9),
    ];
    console.log(columns.join(''));
    return perSecond;
  };
  console.log(`\n${title}`);
  const encodeJson = row('JSON encode', () => sum(batch, (message) => toJson(message).length));
  row('encodeFrame', () => sum(batch, (message) => encodeFrame(message).length), encodeJson);
  const decodeJson = row('JSON decode', () => sum(texts, (text) => weight(fromJson(text))));
  row('decodeFrame', () => sum(frames, (frame) => weight(decodeFrame(frame))), decodeJson);
  row('FrameDecoder', () => decodeStream(chunks), decodeJson);
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

function sum<T>(items: readonly T[], weigh: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += weigh(item);
  return total;
}

/** Looks at the message, so that making it cannot be optimised away. */
function weight(message: Message): number {
  return 'data' in message ? 1 + message.data.length : 1;
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

function toJson(message: Message): Uint8Array {
  if (!('data' in message)) return Buffer.from(JSON.stringify(message));
  const { buffer, byteOffset, length } = message.data;
  const data = Buffer.from(buffer, byteOffset, length).toString('base64');
  return Buffer.from(JSON.stringify({ type: message.type, data }));
}

function fromJson(text: Uint8Array): Message {
  const message = JSON.parse(text.toString());
  return 'data' in message ? { type: message.type, data: Buffer.from(message.data, 'base64') } : message;
}
