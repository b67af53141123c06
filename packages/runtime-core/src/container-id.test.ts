import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatContainerId, parseContainerId } from './container-id.ts';

it('reads back every id that is written, and keeps ids apart', () => {
  const service = fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,20}[A-Za-z0-9])?$/);
  const id = fc.record({ service, replica: fc.integer({ min: 0, max: 0xffff_ffff }) });
  fc.assert(
    fc.property(id, id, (one, other) => {
      expect(parseContainerId(formatContainerId(one))).toEqual(one);
      const same = one.service === other.service && one.replica === other.replica;
      expect(formatContainerId(one) === formatContainerId(other)).toBe(same);
    }),
  );
});

it('reads nothing that could be a path or a second spelling', () => {
  const texts = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'a0-._/\\') }));
  fc.assert(
    fc.property(texts, (text) => {
      try {
        expect(formatContainerId(parseContainerId(text))).toBe(text);
        expect(text).not.toMatch(/[/\\\0]|^\./);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_SPEC' });
      }
    }),
    { numRuns: 1000 },
  );
});
