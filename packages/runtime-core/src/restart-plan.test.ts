import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PendingStarts } from './pending-starts.ts';
import type { RestartRule } from './restart-delay.ts';
import { RestartPlan, type RestartPlanOptions } from './restart-plan.ts';

const failure = { reason: 'exited', exitCode: 1 } as const;
const always = { policy: 'always', backoff: 100 } as const;

function planOf(rule: RestartRule, more: Partial<RestartPlanOptions> = {}) {
  const announced: (readonly [number, number])[] = [];
  const launched: number[] = [];
  const starts = new PendingStarts();
  const plan: RestartPlan = new RestartPlan({
    rule,
    starts,
    inTurn: (task) => task(),
    announce: (attempt, delayMs) => announced.push([attempt, delayMs]),
    launch: async () => launched.push(plan.counts.restarts),
    ...more,
  });
  return { plan, announced, launched, starts };
}

describe('RestartPlan', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('starts again after the pause that it has announced, each twice the one before', async () => {
    const { plan, announced, launched } = planOf(always);
    plan.ended(failure, new Date());
    await vi.advanceTimersByTimeAsync(99);
    expect(launched).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(launched).toEqual([1]);
    plan.ended(failure, new Date());
    expect(announced).toEqual([
      [1, 100],
      [2, 200],
    ]);
    expect(plan.counts).toEqual({ restarts: 2, failedRuns: 2 });
  });

  test('counts every restart, and the pauses begin anew after a run of ten seconds', () => {
    const { plan, announced } = planOf(always, { counts: { restarts: 7, failedRuns: 5 } });
    plan.ended(failure, new Date(Date.now() - 10_000));
    expect(announced).toEqual([[8, 100]]);
    expect(plan.counts).toEqual({ restarts: 8, failedRuns: 1 });
  });

  test('takes a start that fails for a run, until the policy gives up', async () => {
    const launch = vi.fn().mockRejectedValue(new Error('no memory'));
    const { plan, announced } = planOf({ policy: 'on-failure', backoff: 100, maxRetries: 2 }, { launch });
    plan.ended(failure, new Date(Date.now() - 60_000));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(announced.map(([attempt]) => attempt)).toEqual([1, 2]);
    expect(launch).toHaveBeenCalledTimes(2);
  });

  test('does nothing any more when it was forgotten, even while it waited for its turn', async () => {
    const turn = Promise.withResolvers<void>();
    const { plan, launched } = planOf(always, { inTurn: (task) => turn.promise.then(task) });
    plan.ended(failure, new Date());
    await vi.advanceTimersByTimeAsync(100);
    plan.forget();
    turn.resolve();
    await vi.runAllTimersAsync();
    expect(launched).toEqual([]);
  });

  test('a restart that is given up is not planned again', async () => {
    const launch = (signal: AbortSignal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { plan, announced, starts } = planOf(always, { launch });
    plan.ended(failure, new Date());
    await vi.advanceTimersByTimeAsync(100);
    starts.giveUp('web-0');
    await vi.runAllTimersAsync();
    expect(announced).toEqual([[1, 100]]);
  });

  test.each([
    ['no', false, 0],
    ['no', true, 0],
    ['on-failure', false, 1],
    ['on-failure', true, 0],
    ['unless-stopped', false, 1],
    ['unless-stopped', true, 0],
    ['always', false, 1],
    ['always', true, 1],
  ] as const)(
    'after a time with nobody there, %s starts what was stopped (%s) %s times',
    async (policy, stopped, times) => {
      const { plan, launched } = planOf({ policy, backoff: 100 });
      plan.endedUnattended({ exit: failure, startedAt: new Date(), stopped });
      plan.endedUnattended({ exit: failure, startedAt: new Date(), stopped });
      await vi.runAllTimersAsync();
      expect(launched).toHaveLength(times);
    },
  );
});

describe('PendingStarts', () => {
  test('gives up what is under way with an error that names the container, and nothing that comes later', async () => {
    const starts = new PendingStarts();
    const signals: AbortSignal[] = [];
    const hold = Promise.withResolvers<void>();
    const first = starts.run(async (signal) => {
      signals.push(signal);
      await hold.promise;
    });
    starts.giveUp('web-0');
    await starts.run(async (signal) => void signals.push(signal));
    hold.resolve();
    await first;
    expect(signals[0]?.reason).toMatchObject({ code: 'START_FAILED', subject: 'web-0' });
    expect(signals[1]?.aborted).toBe(false);
  });

  test("ends with the caller's signal as well", async () => {
    const caller = new AbortController();
    caller.abort(new Error('enough'));
    const seen = await new PendingStarts().run(async (signal) => signal.reason, caller.signal);
    expect(seen).toMatchObject({ message: 'enough' });
  });
});
