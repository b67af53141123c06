import { expect, test } from 'vitest';
import { pinnedMac } from './pinned-mac.ts';

test('a machine has the same address whenever it starts, and every machine another', () => {
  const macs = Array.from({ length: 1000 }, (_, index) => pinnedMac(`/state/${index}`));
  expect(new Set(macs).size).toBe(1000);
  expect(pinnedMac('/state/0')).toBe(macs[0]);
  for (const mac of macs) expect(mac).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
});
