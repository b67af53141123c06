import { expect, it } from 'vitest';
import type { ContainerState } from './container-state.ts';
import { statsUntilEnd } from './stats-until-end.ts';

/** Has one sample more each time, and the states that are given, one after the other; the last one stays. */
function container(...states: ContainerState['status'][]) {
  const ended = Promise.withResolvers<void>();
  let samples = 0;
  let failure: unknown;
  let isWaitedFor = true;
  return {
    end: ended.resolve,
    fail: (error: unknown) => {
      failure = error;
    },
    get isWaitedFor() {
      return isWaitedFor;
    },
    measured: {
      measure: async () => {
        if (failure !== undefined) throw failure;
        samples += 1;
        return { time: new Date(), processes: samples };
      },
      state: async () => ({ status: (states.length > 1 ? states.shift() : states[0]) ?? 'running' }) as ContainerState,
      nextEnd: async (signal: AbortSignal) => {
        const aborted = new Promise((_, reject) => signal.addEventListener('abort', reject, { once: true }));
        await Promise.race([ended.promise, aborted]).finally(() => {
          isWaitedFor = false;
        });
      },
    },
  };
}

async function processes(measured: ReturnType<typeof container>['measured'], options = {}): Promise<unknown[]> {
  const counts: unknown[] = [];
  for await (const sample of statsUntilEnd(measured, { intervalMs: 1, ...options })) counts.push(sample.processes);
  return counts;
}

it('gives samples while it runs, none while it stands still, and ends when it has ended', async () => {
  const { measured } = container('running', 'paused', 'paused', 'running', 'stopping', 'exited');
  expect(await processes(measured)).toEqual([1, 2, 3]);
});

it('ends at once with the container, however long the interval', async () => {
  const { measured, end } = container();
  const counts = processes(measured, { intervalMs: 3_600_000 });
  setTimeout(end, 10);
  expect(await counts).toEqual([1]);
});

it('tells a failure to measure, unless it is that of a container that has just ended', async () => {
  const broken = container();
  const reading = statsUntilEnd(broken.measured, { intervalMs: 1 });
  await reading.next();
  broken.fail(new Error('no figures'));
  await expect(reading.next()).rejects.toThrow('no figures');
  const ending = container('running', 'exited');
  const last = statsUntilEnd(ending.measured, { intervalMs: 1 });
  await last.next();
  ending.fail(new Error('no figures'));
  expect((await last.next()).done).toBe(true);
});

it('ends with the reason of its signal, and leaves nobody waiting', async () => {
  const aborted = container();
  const abort = new AbortController();
  const reading = processes(aborted.measured, { intervalMs: 3_600_000, signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 10);
  await expect(reading).rejects.toThrow('enough');
  const left = container();
  for await (const _ of statsUntilEnd(left.measured)) break;
  await expect.poll(() => [aborted.isWaitedFor, left.isWaitedFor]).toEqual([false, false]);
});
