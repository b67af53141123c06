import { z } from 'zod';
import { duration, positiveDuration } from './scalars.ts';

export const RESTART_POLICIES = ['no', 'on-failure', 'always', 'unless-stopped'] as const;

const restart = z
  .strictObject({
    /**
     * Default: `no`. What `stopContainer` has ended stays so; a process that ends otherwise, also by `killContainer`, is
     * started again. `unless-stopped` is `always`; other than that, it is not started by `recover` when it was stopped.
     */
    policy: z.enum(RESTART_POLICIES).default('no'),
    /** Failures in a row after which it is left alone; for `on-failure`. Default: no limit. */
    maxRetries: z.int().min(0).max(1_000_000).optional(),
    /** Pause before the first restart, in milliseconds or as text; the runtime lengthens it. Default: 100. */
    backoff: duration.default(100),
  })
  .refine(({ policy, maxRetries }) => maxRetries === undefined || policy === 'on-failure', {
    path: ['maxRetries'],
    message: 'it counts failures, so it needs the policy "on-failure"',
  });

export const lifecycle = z
  .strictObject({
    /** Remove the container when it has ended. Default: false. */
    deleteOnExit: z.boolean().default(false),
    /** What becomes of it when the program that started it ends. Default: `stop`. */
    onOwnerExit: z.enum(['stop', 'keep']).default('stop'),
    restart: restart.prefault({}),
    /** It is stopped when it has run that long. Default: no limit. */
    maxLifetime: positiveDuration.optional(),
    /**
     * It is stopped when nobody has used it for that long: by exec, by input, by a connection to one of its ports. Default: no
     * limit.
     */
    idleTimeout: positiveDuration.optional(),
  })
  .refine(({ deleteOnExit, restart: { policy } }) => !deleteOnExit || policy === 'no', {
    path: ['deleteOnExit'],
    message: 'what is removed when it ends cannot be restarted: choose one of the two',
  });
