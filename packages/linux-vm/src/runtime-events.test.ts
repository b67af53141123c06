import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventOptions, RuntimeEvent } from '@zlayer/runtime-core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RuntimeEvents } from './runtime-events.ts';

let directory: string;
let here: RuntimeEvents;
let there: RuntimeEvents;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'runtime-events-'));
  here = new RuntimeEvents(directory);
  there = new RuntimeEvents(directory);
});
afterEach(async () => {
  await Promise.all([here.close(), there.close()]);
  rmSync(directory, { recursive: true });
});

const created = (service: string, time = new Date()): RuntimeEvent => {
  return { type: 'created', time, container: { service, replica: 0, instance: `instance of ${service}` } };
};

async function names(events: AsyncIterable<RuntimeEvent>, count = Number.POSITIVE_INFINITY): Promise<string[]> {
  const services: string[] = [];
  for await (const { container } of events) if (services.push(container.service) === count) break;
  return services;
}

it('a reader has the events of its own process at once, and those of others by way of the disk', async () => {
  const reading = names(here.read({}), 2);
  const own = names(here.read({ own: true }));
  here.emit(created('own'));
  there.emit(created('foreign'));
  expect(await reading).toEqual(['own', 'foreign']);
  await here.close();
  expect(await own).toEqual(['own']);
});

it('an event comes back from the disk as it was', async () => {
  const event: RuntimeEvent = {
    ...created('web'),
    type: 'exited',
    result: { reason: 'signal', exitCode: 137, signal: 9 },
  };
  const reading = here.read({})[Symbol.asyncIterator]();
  there.emit(event);
  expect(await reading.next()).toEqual({ done: false, value: event });
  await reading.return?.();
});

it('the past is that of all processes, each event once', async () => {
  const since = new Date();
  here.emit(created('one'));
  there.emit(created('two'));
  const past = async (options: EventOptions) => (await names(here.read(options))).sort();
  const soon = (): Date => new Date(Date.now() + 500);
  expect(await past({ since, until: soon() })).toEqual(['one', 'two']);
  expect(await past({ since, until: soon(), own: true })).toEqual(['one']);
  const live = names(here.read({ since }), 3);
  here.emit(created('three'));
  expect((await live).sort()).toEqual(['one', 'three', 'two']);
});

it('what is in the file and no event is nobody’s', async () => {
  const line = (event: unknown): string => `${JSON.stringify({ source: 'x', time: new Date(), event })}\n`;
  const strange = [null, 1, {}, { type: 'created' }, { type: 'created', container: { service: '../x', replica: 0 } }];
  const reading = names(here.read({}), 1);
  appendFileSync(join(directory, 'events.jsonl'), strange.map(line).join(''));
  there.emit(created('real'));
  expect(await reading).toEqual(['real']);
});

it('closing ends every reader, and an abort only its own, with the reason', async () => {
  const abort = new AbortController();
  const aborted = names(here.read({ since: new Date(), signal: abort.signal }));
  const live = names(here.read({}));
  const recorded = names(here.read({ since: new Date() }));
  abort.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  await here.close();
  expect(await Promise.all([live, recorded])).toEqual([[], []]);
});
