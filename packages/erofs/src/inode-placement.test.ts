import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InodePlacement, OPEN_BLOCKS } from './inode-placement.ts';

test('inodes never overlap, cross a block only when they must, and stay near the end', () => {
  const size = fc.oneof(fc.integer({ min: 32, max: 4096 }), fc.integer({ min: 32, max: 200 }), fc.nat({ max: 70_000 }));
  fc.assert(
    fc.property(
      fc.array(
        size.map((bytes) => Math.max(32, bytes)),
        { maxLength: 400 },
      ),
      (sizes) => {
        const placement = new InodePlacement();
        const used = new Set([0]);
        for (const bytes of sizes) {
          const slot = placement.place(bytes);
          const slots = Math.ceil(bytes / 32);
          for (let index = slot; index < slot + slots; index++) {
            expect(used.has(index)).toBe(false);
            used.add(index);
          }
          expect(slot + slots).toBeLessThanOrEqual(placement.blocks * 128);
          if (slots <= 128) expect(Math.floor(slot / 128)).toBe(Math.floor((slot + slots - 1) / 128));
          else expect(slot % 128).toBe(0);
          if (slots <= 128) expect(Math.floor(slot / 128)).toBeGreaterThanOrEqual(placement.blocks - OPEN_BLOCKS);
        }
      },
    ),
    { numRuns: 50 },
  );
});
