import { PULL_POLICIES, type ServiceSpecInput, ZlayerError } from '@zlayer/runtime-core';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { append } from './common-options.ts';

/** What `run` and `create` may say about a container, as the command line gives it. */
export interface SpecOptions {
  cpus?: number;
  memory?: string;
  env?: string[];
  envFile?: string[];
  workdir?: string;
  user?: string;
  entrypoint?: string;
  platform?: string;
  hostname?: string;
  addHost?: string[];
  dns?: string[];
  dnsSearch?: string[];
  network?: string;
  publish?: string[];
  publishSocket?: string[];
  volume?: string[];
  mount?: string[];
  tmpfs?: string[];
  label?: string[];
  pidsLimit?: number;
  ulimit?: string[];
  capAdd?: string[];
  capDrop?: string[];
  readOnly?: boolean;
  init?: boolean;
  interactive?: boolean;
  tty?: boolean;
  rm?: boolean;
  restart?: string;
  stopSignal?: string;
  stopTimeout?: number;
  healthCmd?: string;
  healthInterval?: string;
  healthTimeout?: string;
  healthRetries?: number;
  healthStartPeriod?: string;
  name?: string;
  pull: string;
  quiet?: boolean;
}

function positiveNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !(number > 0) || !Number.isFinite(number)) {
    throw new InvalidArgumentError('Write a number above 0.');
  }
  return number;
}

function wholeNumber(text: string): number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a whole number.');
}

/** Docker's words for when to pull, and ours. */
const POLICIES = { missing: 'ifNotPresent' } as const;

/** Adds the options that describe a container. */
export function withSpecOptions(command: Command): Command {
  return command
    .option('--name <name>', 'name of the container')
    .option('-c, --cpus <number>', 'CPUs of the guest', positiveNumber)
    .option('-m, --memory <size>', 'memory of the guest, such as 512Mi or 2Gi')
    .option('-e, --env <NAME=VALUE>', 'set a variable; NAME alone passes one on', append)
    .option('--env-file <file>', 'read variables from a file', append)
    .option('-w, --workdir <directory>', 'working directory in the container')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .option('--entrypoint <program>', "replace the image's entrypoint")
    .option('--platform <platform>', 'linux/amd64 or linux/arm64')
    .option('-h, --hostname <name>', 'host name of the container')
    .option('--add-host <name:address>', 'a line of /etc/hosts', append)
    .option('--dns <address>', 'a server of names', append)
    .option('--dns-search <domain>', 'a domain to look names up in', append)
    .option('--network <mode>', 'default, none or host')
    .option('-p, --publish <ports>', '[address:][host port:]container port[/udp]', append)
    .option('--publish-socket <paths>', 'a Unix socket: path on the host:path in the container', append)
    .option('-v, --volume <mount>', 'source:target[:ro], volume:target[:ro] or target', append)
    .option('--mount <mount>', 'type=bind|volume|tmpfs,source=…,target=…[,readonly]', append)
    .option('--tmpfs <mount>', 'target[:size=…,mode=…]', append)
    .option('-l, --label <name=value>', 'a label', append)
    .option('--pids-limit <number>', 'most processes at once', wholeNumber)
    .option('--ulimit <name=soft[:hard]>', 'a limit of each process', append)
    .option('--cap-add <capability>', 'give a capability of Linux', append)
    .option('--cap-drop <capability>', 'take a capability of Linux', append)
    .option('--read-only', 'let nothing be written to the root file system')
    .option('--init', 'run under an init (the default)')
    .option('--no-init', 'be PID 1 oneself')
    .option('-i, --interactive', 'keep standard input open')
    .option('-t, --tty', 'give it a terminal')
    .option('--rm', 'remove the container when it has ended')
    .option('--restart <policy>', 'no, on-failure[:count], always or unless-stopped')
    .option('--stop-signal <signal>', 'what asks it to end')
    .option('--stop-timeout <seconds>', 'how long it may take to end', wholeNumber)
    .option('--health-cmd <command>', 'checks the health of the container')
    .option('--health-interval <time>', 'time between two checks')
    .option('--health-timeout <time>', 'how long a check may take')
    .option('--health-retries <number>', 'failures in a row that make it unhealthy', wholeNumber)
    .option('--health-start-period <time>', 'failures this soon do not count')
    .addOption(
      new Option('--pull <policy>', 'when to pull')
        .choices([...PULL_POLICIES, ...Object.keys(POLICIES)])
        .default('ifNotPresent'),
    )
    .option('-q, --quiet', 'show no pull progress');
}

/** Docker's word for a policy, or ours. */
export function pullPolicyOf(policy: string): (typeof PULL_POLICIES)[number] {
  return PULL_POLICIES.find((known) => known === policy) ?? 'ifNotPresent';
}

/** What variables are made of: this process's own, and files. */
export interface SpecSources {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Text of each `--env-file`. */
  envFiles: readonly string[];
}

/** The spec that a command line asks for. Its image was pulled before. */
export function specOf(image: string, args: string[], options: SpecOptions, sources: SpecSources): ServiceSpecInput {
  return withoutUndefined({
    image,
    platform: options.platform,
    pullPolicy: 'never' as const,
    command: withoutUndefined({
      entrypoint: options.entrypoint === undefined ? undefined : options.entrypoint === '' ? [] : [options.entrypoint],
      args: args.length > 0 ? args : undefined,
      workdir: options.workdir,
    }),
    env: environmentOf(options.env ?? [], sources),
    user: options.user,
    hostname: options.hostname,
    labels: Object.fromEntries((options.label ?? []).map((label) => split(label, '='))),
    resources: withoutUndefined({
      cpu: options.cpus,
      memory: options.memory,
      // Docker's ways to say that there is no limit.
      pids: options.pidsLimit === -1 || options.pidsLimit === 0 ? undefined : options.pidsLimit,
      ulimits: Object.fromEntries((options.ulimit ?? []).map(ulimitOf)),
    }),
    storage: [
      ...(options.volume ?? []).map((volume) => volumeOf(volume, sources.cwd)),
      ...(options.mount ?? []).map(mountOf),
      ...(options.tmpfs ?? []).map(tmpfsOf),
    ],
    ports: options.publish,
    sockets: options.publishSocket?.map((socket) => volumeOf(socket, sources.cwd)),
    networkMode: options.network as ServiceSpecInput['networkMode'],
    dns: withoutUndefined({ servers: options.dns, search: options.dnsSearch }),
    extraHosts: options.addHost,
    readOnlyRoot: options.readOnly,
    capabilities: withoutUndefined({ add: options.capAdd, drop: options.capDrop }),
    init: options.init,
    lifecycle: withoutUndefined({
      deleteOnExit: options.rm,
      restart: options.restart === undefined ? undefined : restartOf(options.restart),
    }),
    healthCheck: options.healthCmd === undefined ? undefined : healthCheckOf(options.healthCmd, options),
    stopSignal: options.stopSignal,
    stopGracePeriod: options.stopTimeout === undefined ? undefined : options.stopTimeout * 1000,
    tty: options.tty,
    openStdin: options.interactive,
  });
}

/** `NAME=value`; `NAME` alone is passed on. Later ones win, and options win over files. */
function environmentOf(assignments: readonly string[], { env, envFiles }: SpecSources): Record<string, string> {
  const variables = new Map<string, string>();
  const lines = envFiles.flatMap((text) => text.split(/\r?\n/)).filter((line) => /^\s*[^#\s]/.test(line));
  for (const assignment of [...lines, ...assignments]) {
    const at = assignment.indexOf('=');
    const name = (at < 0 ? assignment : assignment.slice(0, at)).trimStart();
    if (name === '') throw refusal(assignment, 'a variable', 'Write NAME=VALUE, or NAME alone to pass a variable on.');
    const value = at < 0 ? env[name] : assignment.slice(at + 1);
    if (value !== undefined) variables.set(name, value);
  }
  return Object.fromEntries(variables);
}

/** The short form of a spec, with relative paths made absolute as Docker does. */
function volumeOf(text: string, cwd: string): string {
  return /^\.{1,2}(?:\/|:|$)/.test(text) ? `${cwd}/${text}`.replace(/\/\.(?=[/:])/g, '') : text;
}

type Mount = Exclude<NonNullable<ServiceSpecInput['storage']>[number], string>;

/** `type=bind,source=/a,target=/b,readonly` */
function mountOf(text: string): Mount {
  const fields = new Map(text.split(',').map((field) => split(field, '=')));
  const take = (...names: string[]): string | undefined => {
    const found = names.map((name) => [name, fields.get(name)] as const).find(([, value]) => value !== undefined);
    for (const name of names) fields.delete(name);
    return found?.[1];
  };
  const type = take('type') ?? 'volume';
  const source = take('source', 'src');
  const target = take('target', 'destination', 'dst') ?? '';
  const flag = take('readonly', 'ro');
  const readOnly = flag === '' || flag === 'true' || flag === '1';
  const size = take('tmpfs-size');
  const mode = take('tmpfs-mode');
  const [unknown] = fields.keys();
  if (unknown !== undefined) throw refusal(text, 'a mount', `The field ${JSON.stringify(unknown)} is unknown.`);
  if (type === 'bind' && source !== undefined) return { type, source, target, readOnly };
  if (type === 'tmpfs') return withoutUndefined({ type: 'tmpfs' as const, target, size, mode });
  if (type !== 'volume') throw refusal(text, 'a mount', 'Use type=bind with a source, type=volume or type=tmpfs.');
  return source === undefined ? { type: 'anonymous', target } : { type: 'named', name: source, target, readOnly };
}

/** `/run:size=64m,mode=1777` */
function tmpfsOf(text: string): Mount {
  const [target, settings = ''] = split(text, ':');
  const fields = new Map(settings === '' ? [] : settings.split(',').map((field) => split(field, '=')));
  const [size, mode] = [fields.get('size'), fields.get('mode')];
  const unknown = [...fields.keys()].find((name) => name !== 'size' && name !== 'mode');
  if (unknown !== undefined) throw refusal(text, 'a tmpfs', `The setting ${JSON.stringify(unknown)} is unknown.`);
  return withoutUndefined({ type: 'tmpfs' as const, target, size, mode });
}

/** `nofile=1024:2048` */
function ulimitOf(text: string): [string, { soft: number; hard: number }] {
  const [, name = '', soft, hard = soft] = /^([a-z]+)=(-?\d{1,15})(?::(-?\d{1,15}))?$/.exec(text) ?? [];
  if (soft === undefined) throw refusal(text, 'a limit', 'Write NAME=SOFT[:HARD], such as nofile=1024:2048.');
  return [name, { soft: Number(soft), hard: Number(hard) }];
}

type Restart = NonNullable<NonNullable<ServiceSpecInput['lifecycle']>['restart']>;

/** `on-failure:3` */
function restartOf(text: string): Restart {
  const [policy, count] = split(text, ':');
  if (!['no', 'on-failure', 'always', 'unless-stopped'].includes(policy) || !/^\d*$/.test(count)) {
    throw refusal(text, 'a restart policy', 'Use no, on-failure[:count], always or unless-stopped.');
  }
  const maxRetries = count === '' ? undefined : Number(count);
  return withoutUndefined({ policy: policy as NonNullable<Restart['policy']>, maxRetries });
}

function healthCheckOf(command: string, options: SpecOptions): NonNullable<ServiceSpecInput['healthCheck']> {
  return withoutUndefined({
    command,
    interval: options.healthInterval,
    timeout: options.healthTimeout,
    retries: options.healthRetries,
    startPeriod: options.healthStartPeriod,
  });
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function refusal(text: string, what: string, remedy: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `${JSON.stringify(text)} is not ${what}`, { subject: text, remedy });
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Leaves out what was not given, so that the spec's defaults apply. */
function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Defined<T>;
}
