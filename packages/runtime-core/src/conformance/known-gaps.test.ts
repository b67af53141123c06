import { describe, expect, it } from 'vitest';
import { KnownGaps } from './known-gaps.ts';

const fails = async (): Promise<void> => {
  throw new Error('not yet\nwith details');
};
const passes = async (): Promise<void> => {};

describe('KnownGaps', () => {
  it('lists each gap with its reason and how it failed', async () => {
    const gaps = new KnownGaps({ 'stops in time': 'the clock is slow' });
    expect(gaps.define('stops in time')).toBe('the clock is slow');
    await gaps.expectFailure('stops in time', fails);
    expect(gaps.report('qemu')).toContain('the clock is slow\n    this time: not yet');
  });

  it('fails when a gap is closed, so that the list never says more than is true', async () => {
    const gaps = new KnownGaps({ 'stops in time': 'the clock is slow' });
    gaps.define('stops in time');
    await expect(gaps.expectFailure('stops in time', passes)).rejects.toThrow('the gap is closed');
  });

  it('names gaps that hide nothing because no test is called so', () => {
    const gaps = new KnownGaps({ misspelt: 'nobody knows' });
    expect(gaps.define('stops in time')).toBeUndefined();
    expect(gaps.strangers).toEqual(['misspelt']);
  });

  it('refuses two tests of one name, of which a gap would hide both', () => {
    const gaps = new KnownGaps({});
    gaps.define('stops in time');
    expect(() => gaps.define('stops in time')).toThrow('stops in time');
  });
});
