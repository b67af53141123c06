/**
 * What AgentClient costs over a Unix socket, with the agent's part in another thread: a request on a connection of its
 * own beside the same request on a connection that stays open, and the output of a process beside its bytes without a
 * protocol. Run it with Node: `node bench/proto/client.ts`.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  AgentClient,
  encodeFrame,
  encodeFrameParts,
  FrameDecoder,
  type Message,
} from '../../packages/vzagent-proto/src/index.ts';

const REQUESTS = 2000;
const PIECES = 16_384;
const PIECE = 64 * 1024;
/** The first byte of a connection that wants bytes without a protocol. */
const RAW = 0xff;

if (isMainThread) await measure();
else await serve(workerData as string);

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vzagent-bench-'));
  const path = join(folder, 's');
  const worker = new Worker(new URL(import.meta.url), { workerData: path });
  try {
    await once(worker, 'message');
    const connect = async (): Promise<Socket> => {
      const socket = createConnection(path);
      await once(socket, 'connect');
      return socket;
    };
    const client = new AgentClient(connect);
    await client.hello();
    for (const round of ['warming up', 'measured']) {
      console.log(`\n${round}`);
      const kept = await perSecond('request on a connection that stays open', REQUESTS, await keptConnection(connect));
      await perSecond('request on a connection of its own', REQUESTS, () => client.thaw(), kept);
      const raw = await gigabytes('bytes without a protocol', () => rawBytes(connect));
      await gigabytes('output of a process', () => processOutput(client), raw);
    }
  } finally {
    await worker.terminate();
    await rm(folder, { recursive: true });
  }
}

async function perSecond(
  title: string,
  count: number,
  run: () => Promise<unknown>,
  yardstick?: number,
): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < count; i++) await run();
  const micros = ((performance.now() - begin) * 1000) / count;
  const ratio = yardstick === undefined ? '' : `${(micros / yardstick).toFixed(1)} x`;
  console.log(title.padEnd(44), `${micros.toFixed(0)} µs`.padStart(10), ratio.padStart(8));
  return micros;
}

async function gigabytes(title: string, run: () => Promise<number>, yardstick?: number): Promise<number> {
  const begin = performance.now();
  const bytes = await run();
  if (bytes !== PIECES * PIECE) throw new Error(`${bytes} bytes came`);
  const perSecond = bytes / (performance.now() - begin) / 1e6;
  const ratio = yardstick === undefined ? '' : `${(perSecond / yardstick).toFixed(2)} x`;
  console.log(title.padEnd(44), `${perSecond.toFixed(2)} GB/s`.padStart(10), ratio.padStart(8));
  return perSecond;
}

async function keptConnection(connect: () => Promise<Socket>): Promise<() => Promise<void>> {
  const socket = await connect();
  socket.unref();
  const decoder = new FrameDecoder({ direction: 'toHost' });
  return async () => {
    socket.write(encodeFrame({ type: 'Thaw' }));
    for (;;) {
      const [chunk] = await once(socket, 'data');
      for (const { type } of decoder.push(chunk)) if (type === 'Done') return;
    }
  };
}

async function rawBytes(connect: () => Promise<Socket>): Promise<number> {
  const socket = await connect();
  socket.write(Uint8Array.of(RAW));
  let bytes = 0;
  for await (const chunk of socket) bytes += chunk.length;
  return bytes;
}

async function processOutput(client: AgentClient): Promise<number> {
  using process = await client.attach(0);
  let bytes = 0;
  for await (const { data } of process.output) bytes += data.length;
  await process.exited;
  return bytes;
}

async function serve(path: string): Promise<void> {
  const server = createServer((socket) => void answer(socket).catch(() => {}));
  server.listen(path);
  await once(server, 'listening');
  parentPort?.postMessage('listening');
}

async function answer(socket: Socket): Promise<void> {
  const decoder = new FrameDecoder({ direction: 'toGuest' });
  for await (const chunk of socket) {
    if (chunk[0] === RAW) {
      void sendRaw(socket);
      continue;
    }
    for (const message of decoder.push(chunk)) {
      if (message.type === 'Hello') socket.write(encodeFrame({ ...message, software: 'bench' }));
      else if (message.type === 'Attach') void sendOutput(socket);
      else if (message.type !== 'OutputTaken') socket.write(encodeFrame({ type: 'Done' }));
    }
  }
}

async function sendRaw(socket: Socket): Promise<void> {
  const data = new Uint8Array(PIECE);
  for (let i = 0; i < PIECES; i++) if (!socket.write(data)) await once(socket, 'drain');
  socket.end();
}

async function sendOutput(socket: Socket): Promise<void> {
  const data = new Uint8Array(PIECE);
  const send = async (message: Message): Promise<void> => {
    let isRoom = true;
    socket.cork();
    for (const part of encodeFrameParts(message)) isRoom = socket.write(part);
    socket.uncork();
    if (!isRoom) await once(socket, 'drain');
  };
  await send({ type: 'ProcessStarted', process: 0, pid: 1, outputOffset: 0, stdinWindow: 0 });
  for (let i = 0; i < PIECES; i++) {
    await send({ type: 'Output', stream: 'stdout', offset: i * PIECE, unixMicros: 1, data });
  }
  const end = { code: 0, signal: null, oomKilled: false, outputEnd: PIECES * PIECE, droppedBytes: 0 };
  await send({ type: 'ProcessExited', process: 0, ...end });
}
