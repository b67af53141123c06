import { describe, expect, it } from 'vitest';
import { EventBroadcast } from './event-broadcast.ts';

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('EventBroadcast', () => {
  it('gives every reader every event since it began to read', async () => {
    const broadcast = new EventBroadcast<number>();
    const first = broadcast.read();
    broadcast.emit(1);
    const second = broadcast.read();
    broadcast.emit(2);
    broadcast.close();
    expect(await collect(first)).toEqual([1, 2]);
    expect(await collect(second)).toEqual([2]);
  });

  it('wakes a reader that waits', async () => {
    const broadcast = new EventBroadcast<number>();
    const reading = broadcast.read()[Symbol.asyncIterator]().next();
    await Promise.resolve();
    broadcast.emit(7);
    expect(await reading).toEqual({ done: false, value: 7 });
  });

  it('fails the readers that there are, once they have read what is there, and no later ones', async () => {
    const broadcast = new EventBroadcast<number>();
    const reader = broadcast.read()[Symbol.asyncIterator]();
    broadcast.emit(1);
    broadcast.fail(new Error('gone'));
    expect(await reader.next()).toEqual({ done: false, value: 1 });
    await expect(reader.next()).rejects.toThrow('gone');
    const later = broadcast.read();
    broadcast.emit(2);
    broadcast.close();
    expect(await collect(later)).toEqual([2]);
  });

  it('forgets a reader that leaves before it has read anything', async () => {
    const broadcast = new EventBroadcast<number>();
    const events = broadcast.read()[Symbol.asyncIterator]();
    await events.return?.();
    broadcast.emit(1);
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('lets a reader leave while it waits', async () => {
    const broadcast = new EventBroadcast<number>();
    const events = broadcast.read()[Symbol.asyncIterator]();
    const waiting = events.next();
    await events.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('ends with the reason of an abort', async () => {
    const broadcast = new EventBroadcast<number>();
    const controller = new AbortController();
    const reading = collect(broadcast.read({ signal: controller.signal }));
    controller.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
  });

  it('gives up a reader that never reads instead of growing', async () => {
    const broadcast = new EventBroadcast<number>();
    const events = broadcast.read();
    for (let event = 0; event < 20_000; event += 1) broadcast.emit(event);
    await expect(collect(events)).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});
