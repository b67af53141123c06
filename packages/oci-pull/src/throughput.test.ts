import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { notSlowerThan } from './throughput.ts';

const minimum = { bytesPerSecond: 1000, window: 200 };
const slow = new Error('too slow');

async function read(body: Readable, work = 0): Promise<number> {
  let bytes = 0;
  for await (const chunk of notSlowerThan(body, minimum, () => slow)) {
    bytes += chunk.length;
    await sleep(work);
  }
  return bytes;
}

test('a body that is fast enough comes whole, also with pauses', async () => {
  const chunks = async function* () {
    for (let count = 0; count < 5; count++) {
      await sleep(60);
      yield Buffer.alloc(100);
    }
  };
  expect(await read(Readable.from(chunks()))).toBe(500);
});

test('a reader that takes its time is not the fault of the sender', async () => {
  const chunks = async function* () {
    for (let count = 0; count < 4; count++) yield Buffer.alloc(10);
  };
  expect(await read(Readable.from(chunks()), 150)).toBe(40);
});

const trickle = async function* () {
  for (;;) {
    await sleep(20);
    yield Buffer.alloc(10);
  }
};

test.each<[string, () => Readable]>([
  ['is silent', () => new Readable({ read() {} })],
  ['trickles', () => Readable.from(trickle())],
])('a body that %s is broken off', async (_, body) => {
  const started = performance.now();
  await expect(read(body())).rejects.toBe(slow);
  expect(performance.now() - started).toBeLessThan(2000);
});
