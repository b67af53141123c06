import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockAllocator } from './block-allocator.ts';

test('no block is given to two at once, and nothing lies behind the end', () => {
  const step = fc.record({ blocks: fc.integer({ min: 1, max: 9 }), releases: fc.array(fc.nat(), { maxLength: 2 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const allocator = new BlockAllocator(1);
      const taken: { start: number; blocks: number }[] = [];
      for (const { blocks, releases } of steps) {
        const start = allocator.allocate(blocks);
        expect(start).toBeGreaterThanOrEqual(1);
        expect(start + blocks).toBeLessThanOrEqual(allocator.end);
        for (const other of taken) {
          expect(start >= other.start + other.blocks || other.start >= start + blocks).toBe(true);
        }
        taken.push({ start, blocks });
        for (const index of releases) {
          const [run] = taken.length === 0 ? [] : taken.splice(index % taken.length, 1);
          if (run !== undefined) allocator.release(run.start, run.blocks);
        }
        for (const run of taken) expect(run.start + run.blocks).toBeLessThanOrEqual(allocator.end);
      }
    }),
  );
});

test('what is given back is used again before the image grows', () => {
  const allocator = new BlockAllocator(1);
  const first = allocator.allocate(10);
  allocator.allocate(1);
  allocator.release(first, 10);
  expect([allocator.allocate(4), allocator.allocate(6)].sort()).toEqual([1, 5]);
  expect(allocator.end).toBe(12);
});
