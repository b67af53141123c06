import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pseudoPid } from './pseudo-pid.ts';

it('stays the same in every version, as it is written into other programs’ records', () => {
  // FNV-1a of "web-0" is 0x75b7b58c, of "a-1" 0xdb896306: folded to 30 bits, with bit 30 set.
  expect(pseudoPid({ service: 'web', replica: 0 })).toBe(0x75b7_b58d);
  expect(pseudoPid({ service: 'a', replica: 1 })).toBe(0x5b89_6305);
});

it('is no process of a host, and fits into a signed 32-bit integer', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), (service, replica) => {
      const pid = pseudoPid({ service, replica });
      expect(pid).toBeGreaterThanOrEqual(2 ** 30);
      expect(pid).toBeLessThan(2 ** 31);
      expect(pseudoPid({ service, replica })).toBe(pid);
      expect(pid | 0).toBe(pid);
    }),
  );
});

it('tells a thousand replicas of a service apart', () => {
  const pids = Array.from({ length: 1000 }, (_, replica) => pseudoPid({ service: 'web', replica }));
  expect(new Set(pids).size).toBe(1000);
});
