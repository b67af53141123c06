import { z } from 'zod';
import { type ErrorOf, InvalidSpecError } from './errors.ts';
import { type Platform, parsePlatform } from './platform.ts';
import { canonicalKeys } from './service-spec/canonical-keys.ts';
import { checkedBy, parsedBy } from './service-spec/checked-by.ts';
import { command } from './service-spec/command.ts';
import { healthCheck } from './service-spec/health-check.ts';
import { lifecycle } from './service-spec/lifecycle.ts';
import { MAX_ITEMS, MAX_PROBLEMS } from './service-spec/limits.ts';
import { parseLinuxCapability } from './service-spec/linux-capabilities.ts';
import { messages } from './service-spec/messages.ts';
import { namedTexts } from './service-spec/named-texts.ts';
import { endpoint, portMappings, refuseEqualNames } from './service-spec/ports.ts';
import { describeProblems, problemsOf, type SpecProblem } from './service-spec/problems.ts';
import { resources } from './service-spec/resources.ts';
import { duration, size } from './service-spec/scalars.ts';
import { refuseEqualHostPaths, socketMapping } from './service-spec/sockets.ts';
import { refuseEqualTargets, storageMount } from './service-spec/storage.ts';
import { domainName, ipAddress, withoutNul } from './service-spec/text.ts';
import { signalNumber } from './signals.ts';
import { parseUser } from './user.ts';

/**
 * When to ask the registry for an image: before every start; then too, but do with the one that is there when the
 * registry cannot be reached or has none newer; only when it is not there yet; or not at all.
 */
export const PULL_POLICIES = ['always', 'newer', 'ifNotPresent', 'never'] as const;
/** One of the {@link PULL_POLICIES}. */
export type PullPolicy = (typeof PULL_POLICIES)[number];

/** Where an image may come from: from anywhere; only what was built, loaded or tagged here; only a registry's. */
export const SOURCE_POLICIES = ['any', 'local', 'registry'] as const;
/** One of the {@link SOURCE_POLICIES}. */
export type SourcePolicy = (typeof SOURCE_POLICIES)[number];

/** How a container is connected: as the runtime does by default; not at all; or with the host's own interfaces. */
export const NETWORK_MODES = ['default', 'none', 'host'] as const;
/** One of the {@link NETWORK_MODES}. */
export type NetworkMode = (typeof NETWORK_MODES)[number];

/** How the image becomes the root: as a block device, or as a directory that is shared with the guest. */
export const ROOTFS_TYPES = ['erofs', 'virtiofs'] as const;
/** One of the {@link ROOTFS_TYPES}. */
export type RootfsType = (typeof ROOTFS_TYPES)[number];

const variableName = z.string().regex(/^[^=\0]+$/, 'the name of a variable is not empty and has no "=" and no NUL');
const labelName = z
  .string()
  .max(1024, 'the name of a label has at most 1024 characters')
  .regex(/^[^\s\0]+$/, 'the name of a label is not empty and has no white space and no NUL');
const capabilities = z
  .array(z.string().transform(parsedBy(parseLinuxCapability)))
  .max(MAX_ITEMS)
  .default([]);

/**
 * What to run and how. Everything but the image has a default. This is the schema in camelCase; `parseServiceSpec` reads
 * snake_case too, and names misspelt keys.
 */
export const serviceSpecSchema = z.strictObject({
  /** Image reference: `alpine`, `ghcr.io/owner/name:1.2`, `host:5000/name@sha256:…`. */
  image: z
    .string()
    .min(1, 'the reference of an image is not empty')
    .max(1024, 'the reference of an image has at most 1024 characters')
    .regex(/^[^\s\0]*$/, 'the reference of an image has no white space'),
  /** `linux/amd64`, `linux/arm64`, `darwin/arm64`. Default: Linux on the host's own architecture. */
  platform: z.string().check(checkedBy(parsePlatform)).optional(),
  /** Default: `ifNotPresent`. */
  pullPolicy: z.enum(PULL_POLICIES).default('ifNotPresent'),
  /** Default: `any`. */
  sourcePolicy: z.enum(SOURCE_POLICIES).default('any'),
  rootfs: z
    .strictObject({
      /** The image as a block device, or as a directory that is shared with the guest. Default: `erofs`. */
      type: z.enum(ROOTFS_TYPES).default('erofs'),
      /** The most that may be written over the image: bytes, or `2Gi`. Default: the runtime's. */
      size: size.optional(),
    })
    .prefault({}),
  command: command.prefault({}),
  /** Variables to set over the image's: an object, or a list of `NAME=value`. */
  env: namedTexts('the variable', {
    name: variableName,
    value: withoutNul('the value of a variable'),
    separator: '=',
  }).default({}),
  /** `user`, `uid`, `user:group` or `uid:gid`. Default: the image's. */
  user: z.string().check(checkedBy(parseUser)).optional(),
  /** Default: made of the container's id. */
  hostname: domainName('a host name', 64).optional(),
  /** For whoever reads them: an object, or a list of `name=value`. Some choose the runtime, see `ISOLATION_LABEL`. */
  labels: namedTexts('the label', {
    name: labelName,
    value: withoutNul('the value of a label'),
    separator: '=',
  }).default({}),
  resources: resources.prefault({}),
  /** What is mounted into the container: whole, or Docker's short text `source:target[:ro]`. No two have the same target. */
  storage: z.array(storageMount).max(MAX_ITEMS).check(refuseEqualTargets).default([]),
  /** Ports of the container that the host has as well, also ranges: `8080-8082:80-82`. No two take the same of the host. */
  ports: portMappings.default([]),
  /** Unix sockets of the container that the host has as well: whole, or `/host/path:/container/path`. */
  sockets: z.array(socketMapping).max(MAX_ITEMS).check(refuseEqualHostPaths).default([]),
  /** What the service offers to others. No two have the same name. */
  endpoints: z.array(endpoint).max(MAX_ITEMS).check(refuseEqualNames).default([]),
  /** Default: `default`. */
  networkMode: z.enum(NETWORK_MODES).default('default'),
  /** What `/etc/resolv.conf` says. Default: the runtime's. */
  dns: z
    .strictObject({
      /** IP addresses. */
      servers: z.array(ipAddress).max(16).default([]),
      /** Domains in which names without a dot are looked up. */
      search: z.array(domainName('a domain', 253)).max(32).default([]),
    })
    .prefault({}),
  /** Further lines of `/etc/hosts`: an IP address for each name, as an object or as a list of `name:address`. */
  extraHosts: namedTexts('the host', {
    name: domainName('the name of a host', 253),
    value: ipAddress,
    separator: ':',
  }).default({}),
  /** Let nothing be written outside of what is mounted. Default: false. */
  readOnlyRoot: z.boolean().default(false),
  /** Capabilities of Linux to give and to take, over the runtime's choice: `NET_ADMIN`, `CAP_NET_ADMIN`, `ALL`. */
  capabilities: z.strictObject({ add: capabilities, drop: capabilities }).prefault({}),
  /** Run the workload under an init that reaps orphans and passes signals on. Default: true. */
  init: z.boolean().default(true),
  lifecycle: lifecycle.prefault({}),
  /** Default: none. */
  healthCheck: healthCheck.optional(),
  /** What asks the workload to end. Default: the image's, or SIGTERM. */
  stopSignal: z.union([z.string(), z.number()]).check(checkedBy(signalNumber)).optional(),
  /** How long it may take to end before SIGKILL, in milliseconds or as text such as `1m30s`. Default: 10 000. */
  stopGracePeriod: duration.default(10_000),
  /** Give the workload a terminal. Default: false. */
  tty: z.boolean().default(false),
  /** Keep its standard input open, so that it can be written to. Default: false. */
  openStdin: z.boolean().default(false),
});

/** A spec as a caller writes it. */
export type ServiceSpecInput = z.input<typeof serviceSpecSchema>;
/** A spec with its defaults filled in, lengths of time in milliseconds, and the short forms written out. */
export type ServiceSpec = z.output<typeof serviceSpecSchema>;

/** What {@link parseServiceSpec} throws: the problems are at most 50, however bad the document is. */
export type InvalidServiceSpecError = ErrorOf<'INVALID_SPEC'> & { readonly problems: readonly SpecProblem[] };

/**
 * Checks a spec and fills in its defaults. Its keys are read in camelCase and in snake_case, so that an object from a
 * YAML file does; a spec that was parsed before comes out as it was.
 *
 * @throws ZlayerError `INVALID_SPEC` that names every problem and where it is, also as `problems`. What lies between
 *   values, such as a port that is given twice, is looked at when the values themselves are right.
 */
export function parseServiceSpec(input: unknown): ServiceSpec {
  const { document, problems } = canonicalKeys(serviceSpecSchema, input);
  const result = serviceSpecSchema.safeParse(document, { error: messages });
  if (result.success && problems.length === 0) return result.data;
  const all = [...problems, ...problemsOf(result.error?.issues ?? [])].slice(0, MAX_PROBLEMS);
  throw Object.assign(new InvalidSpecError(`the service spec is invalid: ${describeProblems(all)}`), {
    problems: all,
  }) satisfies InvalidServiceSpecError;
}

/** The platform that a spec asks for, or the given one. */
export function platformOf(spec: ServiceSpec, otherwise: Platform): Platform {
  return spec.platform === undefined ? otherwise : parsePlatform(spec.platform);
}
