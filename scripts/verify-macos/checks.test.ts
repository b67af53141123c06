import { expect, it } from 'vitest';
import { checks } from './checks.ts';

it('reports every check in a table, the failed ones too, and counts them', async () => {
  const lines: string[] = [];
  const failed = await checks(
    [
      ['first', async () => 'found'],
      ['broken', () => Promise.reject(new Error('no\nluck'))],
      ['last', async () => 'there'],
    ],
    (line) => lines.push(line),
  );
  expect(failed).toBe(1);
  expect(lines).toEqual([
    '| check  | result | |',
    '|--------|--------|-|',
    '| first  | ok     | found |',
    '| broken | FAILED | no luck |',
    '| last   | ok     | there |',
  ]);
});
