import { z } from 'zod';
import { parseDuration } from '../duration.ts';
import { ZlayerError } from '../errors.ts';
import { parseMemory } from '../memory.ts';
import { checkedBy, parsedBy } from './checked-by.ts';

/** A length of time as a caller writes it, in milliseconds as it comes out. */
export const duration = z.union([z.string(), z.number()]).transform(parsedBy(parseDuration));

/** A length of time that is not zero. */
export const positiveDuration = duration.refine((milliseconds) => milliseconds > 0, 'it must be longer than 0');

/** An amount of bytes that stays as it is written: `parseMemory` reads it. */
export const memory = z.union([z.string(), z.number()]).check(checkedBy(parseMemory));

/** The same, but not nothing. */
export const size = z.union([z.string(), z.number()]).check(
  checkedBy((amount: string | number) => {
    if (parseMemory(amount) === 0) throw new ZlayerError('INVALID_SPEC', 'a size of 0 leaves no room');
  }),
);

/** A port that something listens on. */
export const port = z
  .int()
  .min(1, 'a port is a number from 1 to 65535')
  .max(65_535, 'a port is a number from 1 to 65535');
