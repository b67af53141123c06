import { z } from 'zod';
import { memory } from './scalars.ts';
import { plainName } from './text.ts';

export const GPU_VENDORS = ['apple', 'amd', 'intel', 'nvidia'] as const;

/** The limits of `setrlimit`, by the names that Docker gives them. */
export const ULIMITS = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
] as const;
export type UlimitName = (typeof ULIMITS)[number];

const UNLIMITED = -1;
const amount = z.int().min(UNLIMITED, 'a limit is a whole number, or -1 for none');

/** One number for both limits, or each of them; -1 is no limit. */
const ulimit = z
  .union([amount.transform((both) => ({ soft: both, hard: both })), z.strictObject({ soft: amount, hard: amount })])
  .refine(
    ({ soft, hard }) => hard === UNLIMITED || (soft !== UNLIMITED && soft <= hard),
    'the soft limit is above the hard one',
  );

const ulimits = Object.fromEntries(ULIMITS.map((name) => [name, ulimit.optional()])) as {
  [Name in UlimitName]: z.ZodOptional<typeof ulimit>;
};

const cpuCount = z.number().positive().max(1024);

/** A number of CPUs; Compose writes it as text. */
const cpus = z.union([
  cpuCount,
  z
    .string()
    .regex(/^\d{1,4}(?:\.\d{1,9})?$/, 'a number of CPUs is written like "2" or "0.5"')
    .transform(Number)
    .pipe(cpuCount),
]);

export const resources = z.strictObject({
  /** CPUs of the guest, also as text: `1.5`. A fraction is rounded up to whole virtual CPUs. Default: 1. */
  cpu: cpus.default(1),
  /** Memory of the guest: bytes, or `512Mi`, `2Gi`. Default: `512Mi`. */
  memory: memory.default('512Mi'),
  /** The most processes and threads at once. Default: no limit of the container's own. */
  pids: z
    .int()
    .min(1)
    .max(2 ** 22)
    .optional(),
  /** Default: no GPU. */
  gpu: z
    .strictObject({
      vendor: z.enum(GPU_VENDORS),
      /** How it is reached, such as `metal` or `mps`; which modes there are is the runtime's to say. Default: its own. */
      mode: plainName('a mode', /^[a-z0-9][a-z0-9-]{0,31}$/, 'is a word in lower case').optional(),
      /** Default: 1. */
      count: z.int().min(1).max(64).default(1),
    })
    .optional(),
  /** Limits of each process, by name. Default: the guest's own. */
  ulimits: z.strictObject(ulimits).prefault({}),
});
