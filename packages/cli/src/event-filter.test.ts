import { expect, it } from 'vitest';
import { parseEventFilter } from './event-filter.ts';

const died = { name: 'web-0', instance: 'abcdef', type: 'exited', action: 'die' };

it.each<[string[], boolean]>([
  [[], true],
  [['container=web'], true],
  [['container=web-0', 'event=die'], true],
  [['container=abc', 'event=exited', 'type=container'], true],
  [['container=db', 'container=web', 'event=start', 'event=die'], true],
  [['container=w'], false],
  [['container='], false],
  [['container=web', 'event=start'], false],
  [['type=image'], false],
])('%j lets the end of web through: %s', (filters, passes) => {
  expect(parseEventFilter(filters)(died)).toBe(passes);
});

it('one word stands for all changes of health', () => {
  const sick = { ...died, type: 'health', action: 'health_status: unhealthy' };
  for (const word of ['health_status', 'health_status: unhealthy', 'health']) {
    expect(parseEventFilter([`event=${word}`])(sick)).toBe(true);
  }
});

it.each(['colour=red', 'die', '=die', 'constructor=x'])('refuses %j and says what there is', (text) => {
  expect(() => parseEventFilter([text])).toThrow(
    expect.objectContaining({
      code: 'INVALID_SPEC',
      subject: text,
      remedy: expect.stringContaining('container, event'),
    }),
  );
});
