import { z } from 'zod';
import { InvalidSpecError } from '../errors.ts';
import { quote, subjectOf } from '../quote.ts';
import { parsedBy } from './checked-by.ts';
import { absolutePath, mountTarget } from './container-path.ts';
import { size } from './scalars.ts';
import { plainName } from './text.ts';

const readOnly = z.boolean().default(false);

const mode = z
  .union([
    z
      .string()
      .regex(/^0?[0-7]{3,4}$/, 'a mode is written in octal, such as "1777"')
      .transform((octal) => Number.parseInt(octal, 8)),
    z.int().min(0).max(0o7777),
  ])
  .default(0o1777);

/** A directory or file of the host. */
const bind = z.strictObject({
  type: z.literal('bind'),
  /** Absolute path on the host. */
  source: absolutePath('the source of a bind mount'),
  target: mountTarget,
  readOnly,
});

/** A volume that outlives its containers. It is made when there is none of this name. */
const named = z.strictObject({
  type: z.literal('named'),
  name: plainName(
    'the name of a volume',
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/,
    'has 1 to 128 letters, digits, ".", "_" or "-", and begins with a letter or digit',
  ),
  target: mountTarget,
  readOnly,
});

/** A volume that is removed with its container. */
const anonymous = z.strictObject({ type: z.literal('anonymous'), target: mountTarget });

/** A file system in the guest's memory. */
const tmpfs = z.strictObject({
  type: z.literal('tmpfs'),
  target: mountTarget,
  /** The most it may hold: bytes, or `64Mi`. Default: half the guest's memory. */
  size: size.optional(),
  /** Mode of its root directory: a number, or octal text. Default: `0o1777`. */
  mode,
});

/** The objects of a bucket. */
const s3 = z.strictObject({
  type: z.literal('s3'),
  bucket: plainName(
    'the name of a bucket',
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    'has 3 to 63 lower-case letters, digits, "." or "-", and begins and ends with a letter or digit',
  ),
  /** Only the objects whose keys begin with it. Default: all. */
  prefix: z
    .string()
    .max(1024)
    .regex(/^(?!\/)[^\0]*$/, 'a prefix does not begin with "/" and has no NUL')
    .refine((prefix) => !prefix.split('/').includes('..'), 'a prefix may not contain ".."')
    .default(''),
  target: mountTarget,
  readOnly,
  /** A service other than Amazon's. */
  endpoint: z
    .url({ protocol: /^https?$/, error: 'an endpoint is an http or https URL' })
    .max(2048)
    .optional(),
});

const wholeMount = z.discriminatedUnion('type', [bind, named, anonymous, tmpfs, s3]);

/** A mount in full, or Docker's short text. */
export const storageMount = z.union([z.string().transform(parsedBy(readShortMount)).pipe(wholeMount), wholeMount]);
/** What is mounted into a container, and where. */
export type StorageMount = z.output<typeof storageMount>;
/** The kinds of {@link StorageMount}. */
export type StorageType = StorageMount['type'];

/** `/host:/target`, `volume:/target`, each with `:ro` or `:rw`, and `/target` for a volume of the container's own. */
function readShortMount(text: string): z.input<typeof wholeMount> {
  const [source = '', target, mode = 'rw', ...rest] = text.split(':');
  if (target === undefined) return { type: 'anonymous', target: source };
  if (rest.length > 0 || (mode !== 'ro' && mode !== 'rw')) {
    throw new InvalidSpecError(`${quote(text)} is not a mount`, {
      subject: subjectOf(text),
      remedy: 'Use /host/path:/target[:ro], volume:/target[:ro] or /target, or write it in full.',
    });
  }
  const readOnly = mode === 'ro';
  if (source.startsWith('/')) return { type: 'bind', source, target, readOnly };
  if (!/^\.{0,2}(?:\/|$)/.test(source)) return { type: 'named', name: source, target, readOnly };
  throw new InvalidSpecError(`${quote(text)} begins with a relative path`, {
    subject: subjectOf(text),
    remedy: 'Give the absolute path: a spec does not know a working directory of the host.',
  });
}

/** Reports targets that are mounted twice. */
export function refuseEqualTargets({ value, issues }: z.core.ParsePayload<{ target: string }[]>): void {
  const seen = new Map<string, number>();
  for (const [index, { target }] of value.entries()) {
    const first = seen.get(target);
    if (first === undefined) seen.set(target, index);
    else {
      const message = `${target} is the target of storage[${first}] already`;
      issues.push({ code: 'custom', input: target, path: [index, 'target'], message });
    }
  }
}
