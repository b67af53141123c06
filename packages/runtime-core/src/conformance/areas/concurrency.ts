import { expect } from 'vitest';
import { isActive } from '../../container-state.ts';
import { isZlayerError } from '../../errors.ts';
import type { Bench, Subject } from '../bench.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

const MOST = 20;
const MOST_WHEN_SLOW = 4;

/** The orders in which three calls may come. */
const ORDERS = [
  ['start', 'stop', 'remove'],
  ['start', 'remove', 'stop'],
  ['stop', 'start', 'remove'],
  ['remove', 'start', 'stop'],
] as const;

/** Many containers at once, and calls that race each other. Starts up to 30 containers, or 10 when slow. */
export function concurrency(suite: Suite): void {
  suite.area('concurrency', () => {
    suite.test('as many containers as the runtime declares run at once and keep apart', async (bench) => {
      const { capabilities, slow } = bench.lab;
      const count = Math.min(slow ? MOST_WHEN_SLOW : MOST, capabilities.containers.concurrent);
      const started = await Promise.all(
        Array.from({ length: count }, (_, index) =>
          bench.start(bench.shell('reportSignals', { env: { CONFORMANCE_SPEC: String(index) } })),
        ),
      );
      await Promise.all(started.map(({ output }) => output.shows('ready')));
      const states = await Promise.all(started.map(({ container }) => bench.runtime.containerState(container)));
      expect(states).toEqual(Array(count).fill({ status: 'running' }));
      // Each is asked to end in its own way, so that a mixed-up answer shows.
      const results = await Promise.all(
        started.map(async ({ container }, index) => {
          await bench.runtime.killContainer(container, index % 2 === 0 ? 'INT' : 'TERM');
          return bench.runtime.waitContainer(container);
        }),
      );
      expect(results).toEqual(started.map((_, index) => ({ reason: 'exited', exitCode: 41 + (index % 2) })));
    });

    suite.test('of two starts at once one succeeds and the other is a CONFLICT', async (bench) => {
      const container = await bench.create(bench.shell('untilTerm'));
      const [first, second] = await Promise.all([
        settle(bench.runtime.startContainer(container)),
        settle(bench.runtime.startContainer(container)),
      ]);
      expect(first.error).toBeUndefined();
      expect(second.error).toMatchObject({ code: 'CONFLICT' });
    });

    suite.test('a stop that comes during a start ends with nothing running', async (bench) => {
      const container = await bench.create(bench.shell('untilTerm'));
      const start = settle(bench.runtime.startContainer(container));
      const stop = settle(bench.runtime.stopContainer(container, { timeoutMs: 0 }));
      expect(await stop).toEqual({ value: undefined });
      expectLawful((await start).error);
      expect(isActive((await bench.runtime.containerState(container)).status)).toBe(false);
    });

    suite.test('a start that comes during a stop is carried out after it', async (bench) => {
      const { container, output } = await bench.start(bench.shell('untilTerm'));
      await output.shows('ready');
      const stop = settle(bench.runtime.stopContainer(container));
      const start = settle(bench.runtime.startContainer(container));
      expect(await stop).toEqual({ value: undefined });
      expect((await start).error).toBeUndefined();
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'running' });
    });

    for (const order of ORDERS) {
      suite.test(`${order.join(', ')} at once end in a legal state`, async (bench) => {
        const container = await bench.create(bench.shell('untilTerm'));
        const outcomes = await Promise.all(order.map((call) => settle(race(bench, container, call))));
        for (const { error } of outcomes) expectLawful(error);
        const { value: state, error } = await settle(bench.runtime.containerState(container));
        expect(state, 'it was removed with force, whatever else happened').toBeUndefined();
        expect(error).toMatchObject({ code: 'NOT_FOUND' });
      });
    }

    suite.test('of many creations of one id at once one succeeds', async (bench) => {
      const id = bench.id();
      const outcomes = await Promise.all(
        Array.from({ length: 5 }, () => settle(bench.create(bench.shell('exit0'), id))),
      );
      const failed = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
      expect(failed).toHaveLength(4);
      for (const error of failed) expect(error).toMatchObject({ code: 'ALREADY_EXISTS' });
    });

    suite.test('no container of this suite has gone through an illegal change of state', async ({ lab }) => {
      expect(lab.events.events.length).toBeGreaterThan(0);
      expect(lab.events.illegalTransitions()).toEqual([]);
    });
  });
}

async function race({ runtime }: Bench, container: Subject, call: 'start' | 'stop' | 'remove'): Promise<void> {
  if (call === 'start') await runtime.startContainer(container);
  else if (call === 'stop') await runtime.stopContainer(container, { timeoutMs: 0 });
  else await runtime.removeContainer(container, { force: true });
}

/** A call that lost a race says so. */
function expectLawful(error: unknown): void {
  if (error === undefined) return;
  expect(isZlayerError(error) && error.code, String(error)).toMatch(/^(?:CONFLICT|NOT_FOUND|START_FAILED)$/);
}
