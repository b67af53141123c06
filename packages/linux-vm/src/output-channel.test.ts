import type { OutputChunk } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { OutputChannel } from './output-channel.ts';

const chunk = (size: number, fill = 0): OutputChunk => ({ stream: 'stdout', data: new Uint8Array(size).fill(fill) });

describe('OutputChannel', () => {
  it('delivers every chunk in order, then ends', async () => {
    const channel = new OutputChannel();
    const writing = (async () => {
      for (let index = 0; index < 100; index += 1) await channel.push(chunk(100_000, index));
      channel.end();
    })();
    const seen: (number | undefined)[] = [];
    for await (const { data } of channel) seen.push(data[0]);
    await writing;
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it('makes the writer wait for a reader that is behind', async () => {
    const channel = new OutputChannel();
    await channel.push(chunk(1024 * 1024 - 1));
    let written = false;
    const writing = channel.push(chunk(1)).then(() => {
      written = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(written).toBe(false);
    await channel.next();
    await writing;
    expect(written).toBe(true);
  });

  it('lets the writer go on when the reader leaves', async () => {
    const channel = new OutputChannel();
    const writing = channel.push(chunk(2 * 1024 * 1024));
    await channel.return();
    await writing;
    await channel.push(chunk(2 * 1024 * 1024));
    expect(await channel.next()).toEqual({ done: true, value: undefined });
  });

  it('lets the writer finish when it is released, and the reader still has every byte', async () => {
    const channel = new OutputChannel();
    const writing = channel.push(chunk(2 * 1024 * 1024, 1));
    channel.release();
    await writing;
    await channel.push(chunk(2 * 1024 * 1024, 2));
    channel.end();
    const seen: (number | undefined)[] = [];
    for await (const { data } of channel) seen.push(data[0]);
    expect(seen).toEqual([1, 2]);
  });

  it('ends a reader that waits with the reason of an abort, and frees the writer', async () => {
    const channel = new OutputChannel();
    const reading = channel.next();
    channel.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    await channel.push(chunk(4 * 1024 * 1024));
  });

  it('wakes a reader that waits when the end comes', async () => {
    const channel = new OutputChannel();
    const reading = channel.next();
    channel.end();
    expect(await reading).toEqual({ done: true, value: undefined });
  });
});
