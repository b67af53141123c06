import { parseServiceSpec } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { formatAge, formatSpan } from './age.ts';
import { formatStatus } from './status.ts';
import { formatTable, printable } from './table.ts';

it('aligns columns', () => {
  expect(formatTable(['A', 'LONG HEAD'], [['wide cell', 'x']])).toBe('A           LONG HEAD\nwide cell   x');
});

it('lets no cell control the terminal', () => {
  expect(printable('a\x1b[31mb\nc\u202e')).toBe('a\\u001b[31mb\\nc?');
});

it.each([
  [0, 'Less than a second'],
  [1000, '1 second'],
  [59_999, '59 seconds'],
  [60_000, '1 minute'],
  [7_200_000, '2 hours'],
  [86_400_000 * 8, '1 week'],
])('%i ms are %s', (milliseconds, text) => {
  expect(formatSpan(milliseconds)).toBe(text);
});

describe('the status of a container', () => {
  const now = new Date('2026-01-01T00:10:00Z');
  const details = {
    id: { service: 'web', replica: 0 },
    instance: 'a',
    image: 'image',
    imageDigest: 'sha256:0',
    platform: { os: 'linux', architecture: 'amd64' },
    spec: parseServiceSpec({ image: 'image' }),
    createdAt: now,
    startedAt: new Date('2026-01-01T00:00:00Z'),
    endedAt: new Date('2026-01-01T00:09:00Z'),
  } as const;

  it.each([
    [{ state: { status: 'running' }, health: 'healthy' }, 'Up 10 minutes (healthy)'],
    [{ state: { status: 'paused' } }, 'Up 10 minutes (Paused)'],
    [{ state: { status: 'exited', exitCode: 3 } }, 'Exited (3) 1 minute ago'],
    [{ state: { status: 'failed', reason: 'gone' } }, 'Failed 1 minute ago'],
    [{ state: { status: 'pending' } }, 'Created'],
  ] as const)('%j', (extra, text) => {
    expect(formatStatus({ ...details, ...extra }, now)).toBe(text);
  });

  it('says nothing about a time that is unknown', () => {
    expect(formatAge(undefined)).toBe('');
  });
});
