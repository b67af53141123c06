import { z } from 'zod';
import { ZlayerError } from './errors.ts';
import { parseMemory } from './memory.ts';
import { type Platform, parsePlatform } from './platform.ts';
import { signalNumber } from './signals.ts';
import { parseUser } from './user.ts';

/** Turns the typed error of one of our parsers into an issue at the place in the document where the value stands. */
function checkedBy<T>(parse: (value: T) => unknown) {
  return (context: z.core.ParsePayload<T>): void => {
    try {
      parse(context.value);
    } catch (error) {
      const { message, remedy } = error as ZlayerError;
      context.issues.push({
        code: 'custom',
        input: context.value,
        message: remedy ? `${message}. ${remedy}` : message,
      });
    }
  };
}

const withoutNul = (what: string) => z.string().refine((text) => !text.includes('\0'), `${what} may not contain NUL`);
const argument = withoutNul('an argument');
const variableName = z.string().regex(/^[^=\0]+$/, 'the name of a variable is not empty and has no "=" and no NUL');

/** When to ask the registry for an image: before every start, only when it is not there yet, or not at all. */
export const PULL_POLICIES = ['always', 'ifNotPresent', 'never'] as const;
export type PullPolicy = (typeof PULL_POLICIES)[number];

/** What to run and how. Everything but the image has a default. */
export const serviceSpecSchema = z.strictObject({
  /** Image reference: `alpine`, `ghcr.io/owner/name:1.2`, `host:5000/name@sha256:…`. */
  image: z.string().min(1),
  /** `linux/amd64` or `linux/arm64`. Default: the host's own architecture. */
  platform: z.string().check(checkedBy(parsePlatform)).optional(),
  pullPolicy: z.enum(PULL_POLICIES).default('ifNotPresent'),
  command: z
    .strictObject({
      /** Replaces the image's entrypoint, and drops its default command. */
      entrypoint: z.array(argument).optional(),
      /** Replaces the image's default command. */
      args: z.array(argument).optional(),
      /** Absolute path in the container; it is created when missing. Default: the image's, or `/`. */
      workdir: withoutNul('a directory').startsWith('/', 'the working directory is an absolute path').optional(),
    })
    .prefault({}),
  /** Variables to set over the image's. */
  env: z.record(variableName, withoutNul('the value of a variable')).default({}),
  /** `user`, `uid`, `user:group` or `uid:gid`. Default: the image's. */
  user: z.string().check(checkedBy(parseUser)).optional(),
  resources: z
    .strictObject({
      /** CPUs of the guest. A fraction is rounded up to whole virtual CPUs. Default: 1. */
      cpu: z.number().positive().max(1024).default(1),
      /** Memory of the guest: bytes, or `512Mi`, `2Gi`. Default: `512Mi`. */
      memory: z.union([z.string(), z.number()]).check(checkedBy(parseMemory)).default('512Mi'),
    })
    .prefault({}),
  /** What asks the workload to end. Default: the image's, or SIGTERM. */
  stopSignal: z.union([z.string(), z.number()]).check(checkedBy(signalNumber)).optional(),
});

/** A spec as a caller writes it. */
export type ServiceSpecInput = z.input<typeof serviceSpecSchema>;
/** A spec with its defaults filled in. */
export type ServiceSpec = z.output<typeof serviceSpecSchema>;

/**
 * Checks a spec and fills in its defaults.
 *
 * @throws ZlayerError `INVALID_SPEC` that names every problem and where it is.
 */
export function parseServiceSpec(input: unknown): ServiceSpec {
  const result = serviceSpecSchema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => {
    const place = path.map(String).join('.');
    return place ? `${place}: ${message}` : message;
  });
  throw new ZlayerError('INVALID_SPEC', `the service spec is invalid: ${problems.join('; ')}`, { cause: result.error });
}

/** The platform that a spec asks for, or the given one. */
export function platformOf(spec: ServiceSpec, otherwise: Platform): Platform {
  return spec.platform === undefined ? otherwise : parsePlatform(spec.platform);
}
