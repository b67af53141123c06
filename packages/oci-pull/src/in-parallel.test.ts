import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inParallel } from './in-parallel.ts';

test('all items are done, no more than a few at a time', async () => {
  const done: number[] = [];
  let running = 0;
  let most = 0;
  await inParallel([1, 2, 3, 4, 5, 6, 7], 3, undefined, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await sleep(5);
    running -= 1;
    done.push(item);
  });
  expect(done.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(3);
});

test('the first failure ends the others, which are waited for, and is the one that is reported', async () => {
  const ended: number[] = [];
  const begun: number[] = [];
  const work = inParallel([1, 2, 3, 4, 5], 2, undefined, async (item, signal) => {
    begun.push(item);
    if (item === 2) throw new Error('two');
    await sleep(10_000, undefined, { signal }).finally(() => ended.push(item));
  });
  await expect(work).rejects.toThrow('two');
  expect(begun).toEqual([1, 2]);
  expect(ended).toEqual([1]);
});

test("an abort throws the signal's reason, and nothing more is begun", async () => {
  const abort = new AbortController();
  const begun: number[] = [];
  const work = inParallel([1, 2, 3], 1, abort.signal, async (item) => {
    begun.push(item);
    abort.abort(new Error('enough'));
  });
  await expect(work).rejects.toThrow('enough');
  expect(begun).toEqual([1]);
});
