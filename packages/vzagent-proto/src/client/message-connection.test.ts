import { duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { encodeFrame } from '../frame.ts';
import { FrameDecoder } from '../frame-decoder.ts';
import type { Message } from '../message.ts';
import { MessageConnection } from './message-connection.ts';

it('lets several send at once to one who reads slowly, and mixes none of their frames', async () => {
  const [host, guest] = duplexPair();
  const connection = new MessageConnection(host, 'test');
  const sender = async (name: number): Promise<void> => {
    for (let i = 0; i < 50; i++) await connection.send({ type: 'Stdin', data: Buffer.alloc(name * 7000 + i, name) });
  };
  const counts = [0, 0, 0, 0, 0];
  const decoder = new FrameDecoder({ direction: 'toGuest' });
  const reading = (async () => {
    for await (const chunk of guest) {
      if (Math.random() < 0.1) await delay(1);
      for (const message of decoder.push(chunk)) {
        if (message.type !== 'Stdin') throw new Error(message.type);
        const name = message.data[0] ?? 0;
        expect(message.data.every((byte) => byte === name)).toBe(true);
        counts[name] = (counts[name] ?? 0) + 1;
      }
    }
  })();
  await Promise.all([1, 2, 3, 4].map(sender));
  await connection.end();
  await reading;
  decoder.end();
  expect(counts).toEqual([0, 50, 50, 50, 50]);
});

it('hands on what came before a fault, then the fault, for ever', async () => {
  const [host, guest] = duplexPair();
  const connection = new MessageConnection(host, 'test');
  const done: Message = { type: 'Done' };
  guest.on('error', () => {}).write(Buffer.concat([encodeFrame(done), encodeFrame(done), Buffer.alloc(4)]));
  expect(await connection.receive()).toEqual(done);
  expect(await connection.receive()).toEqual(done);
  for (let i = 0; i < 2; i++) await expect(connection.receive()).rejects.toMatchObject({ kind: 'malformed' });
  await expect(connection.send(done)).rejects.toMatchObject({ kind: 'malformed' });
  expect(host.destroyed).toBe(true);
});

it('wakes whoever waits when it is destroyed', async () => {
  const [host] = duplexPair();
  const connection = new MessageConnection(host, 'test');
  const receiving = connection.receive();
  const sending = (async () => {
    for (;;) await connection.send({ type: 'Stdin', data: new Uint8Array(65_536) });
  })();
  await delay(10);
  connection.destroy(new Error('enough'));
  await expect(receiving).rejects.toThrow('enough');
  await expect(sending).rejects.toThrow('enough');
});
