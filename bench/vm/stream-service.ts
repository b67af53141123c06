import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { elapsed, median } from './figures.ts';

const CONNECTIONS = 200;
/** From where process 1 of a raw guest copies the bytes when the highest bits of their number ask for it. */
const SOURCES = { pipe: 1n << 63n, tcp: 1n << 62n };

/** What a way to the guest's service (`serve` of `guest-program.c`) is capable of. */
export interface StreamFigures {
  /** Megabytes a second from the guest. */
  rate: number;
  /** Milliseconds to connect, ask for one byte, and have it; the median. */
  answer: number;
}

export async function measureStreams(connect: () => Promise<Duplex>, bytes: number): Promise<StreamFigures> {
  await receive(connect, bytes / 16);
  const rate = bytes / 1e3 / (await elapsed(() => receive(connect, bytes)));
  const answers: number[] = [];
  for (let call = 0; call < CONNECTIONS; call += 1) answers.push(await elapsed(() => receive(connect, 1)));
  return { rate, answer: median(answers) };
}

/** Megabytes a second that a bare copy brings from a raw guest: what an agent's stream can be at best. */
export async function measureCopied(
  connect: () => Promise<Duplex>,
  bytes: number,
  source: keyof typeof SOURCES,
): Promise<number> {
  return bytes / 1e3 / (await elapsed(() => receive(connect, bytes, SOURCES[source])));
}

/** Takes so many bytes over a connection of its own. */
async function receive(connect: () => Promise<Duplex>, bytes: number, flags = 0n): Promise<void> {
  const stream = await connect();
  let received = 0;
  const whole = new Promise<void>((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= bytes) resolve();
    });
    stream.on('error', reject);
    stream.on('close', () => reject(new Error(`${received} of ${bytes} bytes came`)));
  });
  const request = Buffer.alloc(8);
  request.writeBigUInt64LE(BigInt(Math.floor(bytes)) | flags);
  stream.write(request);
  await whole;
  const closed = once(stream, 'close');
  stream.destroy();
  await closed;
}
