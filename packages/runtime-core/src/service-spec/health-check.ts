import { z } from 'zod';
import { commandWords } from './command.ts';
import { duration, port, positiveDuration } from './scalars.ts';

const KINDS = ['command', 'http', 'tcp'] as const;

/** Exactly one of `command`, `http` and `tcp`, and how often. Times are milliseconds, or text such as `30s`. */
export const healthCheck = z
  .strictObject({
    /** Runs in the container; exit code 0 is healthy. A text is run by its shell. */
    command: commandWords.refine((words) => words.length > 0, 'it is empty').optional(),
    /** A GET that is answered with a status from 200 to 399 is healthy. */
    http: z
      .strictObject({
        port,
        /** Default: `/`. */
        path: z
          .string()
          .max(2048)
          .regex(/^\/[^\s\0]*$/, 'a path begins with "/" and has no white space')
          .default('/'),
      })
      .optional(),
    /** A connection that is accepted is healthy. */
    tcp: z.strictObject({ port }).optional(),
    /** Time between the end of one check and the next. Default: 30 000. */
    interval: positiveDuration.default(30_000),
    /** A check that takes longer has failed. Default: 30 000. */
    timeout: positiveDuration.default(30_000),
    /** Failures in a row that make a container unhealthy. Default: 3. */
    retries: z.int().min(1).max(1000).default(3),
    /** Failures this soon after the start do not count. Default: 0. */
    startPeriod: duration.default(0),
  })
  .refine((check) => KINDS.filter((kind) => check[kind] !== undefined).length === 1, {
    message: `it needs exactly one of ${KINDS.join(', ')}`,
  });
