import { expect } from 'vitest';
import type { EventOptions, RuntimeEvent } from '../../events.ts';
import { drain, expectReason } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** What a runtime reports, and in which order. Starts one container. */
export function events(suite: Suite): void {
  suite.area('events', () => {
    const reported = suite.shared(async (bench) => {
      const { container, result } = await bench.run(bench.shell('exit41'));
      await bench.runtime.removeContainer(container);
      await bench.lab.events.shows(container.instance, 'removed');
      return { container, result, events: bench.lab.events.of(container.instance) };
    });

    suite.test('every change of state is reported in order', async () => {
      const { events } = await reported();
      const states = events.flatMap((event) => (event.type === 'state' ? [event.state] : []));
      expect(states.filter(({ status }) => status !== 'pending')).toEqual([
        { status: 'initializing' },
        { status: 'running' },
        { status: 'exited', exitCode: 41 },
      ]);
    });

    suite.test('the first event is the creation, the last one the removal, each once', async () => {
      const types = (await reported()).events.map(({ type }) => type);
      expect(types[0]).toBe('created');
      expect(types.at(-1)).toBe('removed');
      expect(types.filter((type) => type === 'created' || type === 'removed')).toHaveLength(2);
    });

    suite.test('the exit is reported once, with what waiting for it says', async () => {
      const { events, result } = await reported();
      const exits = events.filter((event) => event.type === 'exited');
      expect(exits).toMatchObject([{ result }]);
      const running = events.findIndex((event) => event.type === 'state' && event.state.status === 'running');
      expect(events.findIndex(({ type }) => type === 'exited')).toBeGreaterThan(running);
    });

    suite.test('an end is a change of state first, then an exit', async () => {
      const { events } = await reported();
      const ended = events.findIndex((event) => event.type === 'state' && event.state.status === 'exited');
      expect(events.findIndex(({ type }) => type === 'exited')).toBeGreaterThan(ended);
    });

    suite.testWith('containers.rename', 'a rename is reported with both ids, under the new one', async (bench) => {
      const { instance, ...from } = await bench.create(bench.shell('exit0'));
      const id = bench.id();
      await bench.runtime.renameContainer(from, id);
      await bench.lab.events.shows(instance, 'renamed');
      const event = bench.lab.events.of(instance).find(({ type }) => type === 'renamed');
      expect(event).toMatchObject({ container: { ...id, instance }, from });
    });

    suite.test('every event names its container and the time, which never goes back', async () => {
      const { events, container } = await reported();
      for (const event of events) expect(event.container).toEqual(container);
      const times = events.map(({ time }) => time.getTime());
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });

    suite.test('a reader has the events from its call on, before it begins to read', async (bench) => {
      const controller = new AbortController();
      const stream = bench.runtime.events({ signal: controller.signal });
      const container = await bench.create(bench.shell('exit0'));
      await bench.runtime.removeContainer(container);
      const seen: RuntimeEvent['type'][] = [];
      for await (const event of stream) {
        if (event.container.instance === container.instance) seen.push(event.type);
        if (event.type === 'removed' && event.container.instance === container.instance) break;
      }
      expect(seen.filter((type) => type !== 'state')).toEqual(['created', 'removed']);
    });

    suite.test(
      'events since a moment begin with what has happened, and end at the moment until which they go',
      async (bench) => {
        const since = new Date();
        const container = await bench.create(bench.shell('exit0'));
        // So that the two events are not of the same moment.
        await new Promise((resolve) => setTimeout(resolve, 5));
        await bench.runtime.removeContainer(container);
        await bench.lab.events.shows(container.instance, 'removed');
        const removed = bench.lab.events.of(container.instance).find(({ type }) => type === 'removed');
        const typesOf = async (options: EventOptions): Promise<string[]> => {
          const types: string[] = [];
          for await (const event of bench.runtime.events(options)) {
            if (event.container.instance === container.instance && event.type !== 'state') types.push(event.type);
          }
          return types;
        };
        expect(await typesOf({ since, until: new Date(Date.now() + 50) })).toEqual(['created', 'removed']);
        expect(await typesOf({ since, until: removed?.time })).toEqual(['created']);
        expect(await typesOf({ until: new Date(0) })).toEqual([]);
      },
    );

    suite.test('aborted events end with the reason of their signal', async (bench) => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const reading = drain(bench.runtime.events({ signal: controller.signal }));
      controller.abort(reason);
      await expectReason(reading, reason);
    });
  });
}
