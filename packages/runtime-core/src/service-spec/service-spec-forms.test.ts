import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { isZlayerError } from '../errors.ts';
import type { PortMapping } from '../port-mapping.ts';
import {
  type InvalidServiceSpecError,
  type PullPolicy,
  parseServiceSpec,
  type ServiceSpec,
  type ServiceSpecInput,
} from '../service-spec.ts';
import { editDistance, nearest } from './nearest.ts';

const whole: ServiceSpecInput = {
  image: 'ghcr.io/owner/app:1',
  platform: 'linux/arm64',
  pullPolicy: 'newer',
  sourcePolicy: 'registry',
  rootfs: { type: 'virtiofs', size: '2Gi' },
  command: { entrypoint: 'exec app', args: ['--verbose'], workdir: '/srv' },
  env: { snake_case: 'a', camelCase: 'b', 'with.dot': '' },
  user: 'app:users',
  hostname: 'app.example',
  labels: { read_only: 'kept', 'com.zlayer.isolation': 'qemu' },
  resources: {
    cpu: 0.5,
    memory: '1.5Gi',
    pids: 100,
    gpu: { vendor: 'apple', mode: 'mps' },
    ulimits: { nofile: 1024, core: { soft: 0, hard: -1 } },
  },
  storage: [
    { type: 'bind', source: '/host', target: '/data//in/./', readOnly: true },
    { type: 'named', name: 'db', target: '/var/lib/db' },
    { type: 'anonymous', target: '/cache' },
    { type: 'tmpfs', target: '/tmp', size: '64Mi', mode: '0755' },
    { type: 's3', bucket: 'my-bucket', prefix: 'a/b', target: '/s3', endpoint: 'https://s3.example' },
  ],
  ports: ['8080:80', 443, { hostAddress: '0:0::1', hostPort: 53, containerPort: 53, protocol: 'udp' }],
  endpoints: [
    { name: 'web', port: 80, protocol: 'http' },
    { name: 'raw', port: 1, targetPort: 2 },
  ],
  networkMode: 'none',
  dns: { servers: ['1.1.1.1', '::1'], search: ['corp.example'] },
  extraHosts: { 'db-1x': '10.0.0.1' },
  readOnlyRoot: true,
  capabilities: { add: ['net_admin'], drop: ['ALL'] },
  init: false,
  lifecycle: {
    onOwnerExit: 'keep',
    restart: { policy: 'on-failure', maxRetries: 3, backoff: '1s' },
    maxLifetime: '2h',
    idleTimeout: 1000,
  },
  healthCheck: { command: 'pg_isready', interval: '10s', timeout: '1m30s', retries: 5, startPeriod: 0 },
  stopSignal: 'INT',
  stopGracePeriod: '500ms',
  tty: true,
  openStdin: true,
};

describe('a whole spec', () => {
  it('comes out with its short forms written out', () => {
    const spec = parseServiceSpec(whole);
    expect(spec.command).toEqual({
      entrypoint: ['/bin/sh', '-c', 'exec app'],
      args: ['--verbose'],
      workdir: '/srv',
    });
    expect(spec.resources.gpu).toEqual({ vendor: 'apple', mode: 'mps', count: 1 });
    expect(spec.resources.ulimits).toEqual({ nofile: { soft: 1024, hard: 1024 }, core: { soft: 0, hard: -1 } });
    expect(spec.storage).toEqual([
      { type: 'bind', source: '/host', target: '/data/in', readOnly: true },
      { type: 'named', name: 'db', target: '/var/lib/db', readOnly: false },
      { type: 'anonymous', target: '/cache' },
      { type: 'tmpfs', target: '/tmp', size: '64Mi', mode: 0o755 },
      {
        type: 's3',
        bucket: 'my-bucket',
        prefix: 'a/b',
        target: '/s3',
        readOnly: false,
        endpoint: 'https://s3.example',
      },
    ]);
    expect(spec.ports).toEqual([
      { hostAddress: '127.0.0.1', hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { hostAddress: '127.0.0.1', hostPort: 0, containerPort: 443, protocol: 'tcp' },
      { hostAddress: '::1', hostPort: 53, containerPort: 53, protocol: 'udp' },
    ]);
    expect(spec.endpoints).toEqual([
      { name: 'web', protocol: 'http', port: 80, targetPort: 80 },
      { name: 'raw', protocol: 'tcp', port: 1, targetPort: 2 },
    ]);
    expect(spec.capabilities).toEqual({ add: ['CAP_NET_ADMIN'], drop: ['ALL'] });
    expect(spec.lifecycle).toEqual({
      deleteOnExit: false,
      onOwnerExit: 'keep',
      restart: { policy: 'on-failure', maxRetries: 3, backoff: 1000 },
      maxLifetime: 7_200_000,
      idleTimeout: 1000,
    });
    expect(spec.healthCheck).toEqual({
      command: ['/bin/sh', '-c', 'pg_isready'],
      interval: 10_000,
      timeout: 90_000,
      retries: 5,
      startPeriod: 0,
    });
    expect(spec.stopGracePeriod).toBe(500);
  });

  it('can be written to disk and parsed again without changing', () => {
    const spec = parseServiceSpec(whole);
    expect(parseServiceSpec(spec)).toEqual(spec);
    expect(parseServiceSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });

  it('means the same in snake_case, and the names of its data stay as they are', () => {
    const snake = {
      ...snakeKeys(whole),
      env: whole.env,
      labels: whole.labels,
      extra_hosts: whole.extraHosts,
      extraHosts: undefined,
    };
    expect(snake).toHaveProperty('lifecycle.restart.max_retries', 3);
    expect(snake).toHaveProperty('storage.0.read_only', true);
    expect(parseServiceSpec(snake)).toEqual(parseServiceSpec(whole));
    expect(parseServiceSpec({ image: 'a', pull_policy: 'if_not_present' }).pullPolicy).toBe('ifNotPresent');
  });

  it('has exact types', () => {
    expectTypeOf<{ image: string }>().toExtend<ServiceSpecInput>();
    expectTypeOf<ServiceSpecInput['pullPolicy']>().toEqualTypeOf<PullPolicy | undefined>();
    expectTypeOf<ServiceSpec['pullPolicy']>().toEqualTypeOf<PullPolicy>();
    expectTypeOf<ServiceSpec['ports']>().toEqualTypeOf<PortMapping[]>();
    expectTypeOf<'8080:80'>().toExtend<NonNullable<ServiceSpecInput['ports']>[number]>();
    expectTypeOf<ServiceSpecInput['stopGracePeriod']>().toEqualTypeOf<string | number | undefined>();
    expectTypeOf<ServiceSpec['stopGracePeriod']>().toEqualTypeOf<number>();
    expectTypeOf<ServiceSpec['command']['entrypoint']>().toEqualTypeOf<string[] | undefined>();
    expectTypeOf<ServiceSpec['storage'][number]['type']>().toEqualTypeOf<
      'bind' | 'named' | 'anonymous' | 'tmpfs' | 's3'
    >();
    expectTypeOf<ServiceSpec['lifecycle']['restart']['policy']>().toEqualTypeOf<
      'no' | 'on-failure' | 'always' | 'unless-stopped'
    >();
    expectTypeOf<ServiceSpec>().toExtend<ServiceSpecInput>();
    expectTypeOf<{ tty: true }>().not.toExtend<ServiceSpecInput>();
  });
});

describe('a mistake is named with its place', () => {
  const bind = { type: 'bind', source: '/a' };
  it.each<[string, object, string]>([
    ['a misspelt key', { imgae: 'a' }, 'imgae: unknown key; did you mean "image"?'],
    ['a key of the wrong style', { PullPolicy: 'never' }, 'PullPolicy: unknown key; did you mean "pullPolicy"?'],
    ['a misspelt key in snake_case', { pull_polcy: 'never' }, 'pull_polcy: unknown key; did you mean "pull_policy"?'],
    ['a key of nothing we know', { xyzzy: 1 }, 'xyzzy: unknown key'],
    ['a key deep inside', { lifecycle: { restart: { polcy: 'no' } } }, 'lifecycle.restart.polcy: unknown key; did you'],
    [
      'a key in a list',
      { storage: [{ ...bind, tarjet: '/b' }] },
      'storage[0].tarjet: unknown key; did you mean "target"',
    ],
    [
      'a key that another kind has',
      { storage: [{ type: 'tmpfs', target: '/a', readOnly: true }] },
      'storage[0].readOnly',
    ],
    ['both spellings of a key', { pullPolicy: 'never', pull_policy: 'never' }, 'pullPolicy: it is given twice'],
    ['a misspelt word', { pullPolicy: 'allways' }, '"allways" is none of always, newer, ifNotPresent, never; did you'],
    ['a wrong type', { tty: 'yes' }, 'tty: expected boolean, not string'],
    ['a null', { env: null }, 'env: expected record or array'],
    ['a limit that is none', { resources: { ulimits: { nofile: 1.5 } } }, 'resources.ulimits.nofile'],
    ['a soft limit above the hard one', { resources: { ulimits: { core: { soft: -1, hard: 1 } } } }, 'ulimits.core'],
    [
      'a relative target',
      { storage: [{ ...bind, target: 'b' }] },
      'storage[0].target: the target of a mount is an abs',
    ],
    [
      'a target with ..',
      { storage: [{ ...bind, target: '/b/../..' }] },
      'storage[0].target: the target of a mount may',
    ],
    ['a target with NUL', { storage: [{ ...bind, target: '/b\0' }] }, 'may not contain NUL'],
    ['the root as a target', { storage: [{ ...bind, target: '//./' }] }, 'storage[0].target: the root itself'],
    [
      'a target given twice',
      {
        storage: [
          { ...bind, target: '/b' },
          { ...bind, target: '/b/' },
        ],
      },
      'storage[1].target: /b',
    ],
    ['a volume that is a path', { storage: [{ type: 'named', name: '../x', target: '/b' }] }, 'storage[0].name'],
    ['a host port given twice', { ports: ['8080:80', '8080:81'] }, 'ports[1].hostPort: port 8080/tcp of the host is'],
    ['a host port taken by all addresses', { ports: ['0.0.0.0:1:1', '1:2'] }, 'ports[1].hostPort'],
    ['a bad port text', { ports: ['90-80'] }, 'ports[0]: "90-80" is not a port mapping'],
    ['a bad port', { ports: [{ containerPort: 0 }] }, 'ports[0].containerPort: a port is a number from 1'],
    ['a port of no kind', { ports: [true] }, 'ports[0]: expected string or number or object'],
    [
      'an endpoint given twice',
      {
        endpoints: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      'endpoints[1].name',
    ],
    ['a line break for resolv.conf', { dns: { search: ['a\nnameserver 6.6.6.6'] } }, 'dns.search[0]: a domain is made'],
    ['a line break for /etc/hosts', { extraHosts: { 'a\nb': '1.1.1.1' } }, 'extraHosts."a\\nb": the name of a host is'],
    ['a host that is no address', { extraHosts: { a: 'b' } }, 'extraHosts.a: this is not an IP address'],
    ['a misspelt capability', { capabilities: { add: ['NET_ADMN'] } }, 'Did you mean CAP_NET_ADMIN?'],
    ['a time without a unit', { stopGracePeriod: '10' }, 'stopGracePeriod: "10" is not a length of time'],
    ['no kind of check', { healthCheck: {} }, 'healthCheck: it needs exactly one of command, http, tcp'],
    ['two kinds of check', { healthCheck: { tcp: { port: 1 }, http: { port: 1 } } }, 'healthCheck: it needs exactly'],
    ['a retry limit without failures', { lifecycle: { restart: { maxRetries: 1 } } }, 'lifecycle.restart.maxRetries'],
    [
      'removal and restart',
      { lifecycle: { deleteOnExit: true, restart: { policy: 'always' } } },
      'lifecycle.deleteOnExit',
    ],
    ['no room at all', { rootfs: { size: 0 } }, 'rootfs.size: a size of 0'],
    ['a host name with a space', { hostname: 'a b' }, 'hostname: a host name is made of'],
    [
      'an address of a file',
      { storage: [{ type: 's3', bucket: 'abc', target: '/a', endpoint: 'file:///x' }] },
      'endpoint',
    ],
  ])('%s', (_, mistake, message) => {
    expect(() => parseServiceSpec({ image: 'a', ...mistake })).toThrow(message);
  });

  it('gives the problems one by one as well', () => {
    const error = failure({ image: 'a', tty: 1, init: 2 }) as InvalidServiceSpecError;
    expect(error).toMatchObject({ code: 'INVALID_SPEC', name: 'InvalidSpecError' });
    expect(error.problems).toEqual([
      { place: 'init', message: 'expected boolean, not number' },
      { place: 'tty', message: 'expected boolean, not number' },
    ]);
  });

  it.each([
    ['0.0.0.0:53:53/udp', '0.0.0.0:53:53/tcp'],
    ['0.0.0.0:53:53', '[::]:53:53'],
    ['127.0.0.1:53:53', '127.0.0.2:53:53'],
    ['80', '80'],
  ])('but %s and %s go together', (...ports) => {
    expect(parseServiceSpec({ image: 'a', ports }).ports).toHaveLength(2);
  });
});

describe('a hostile spec', () => {
  it('cannot reach prototypes', () => {
    const text = '{"image":"a","__proto__":{"tty":true},"env":{"__proto__":"x","constructor":"kept"}}';
    const { problems } = failure(JSON.parse(text)) as InvalidServiceSpecError;
    expect(problems.map(({ place }) => place)).toEqual(['__proto__', 'env.__proto__']);
    const spec = parseServiceSpec({ image: 'a', env: { constructor: 'kept', toString: 'too' } });
    expect(Object.entries(spec.env)).toEqual([
      ['constructor', 'kept'],
      ['toString', 'too'],
    ]);
    expect(() => parseServiceSpec({ image: 'a', constructor: 1 })).toThrow('constructor: unknown key');
    expect(({} as Record<string, unknown>)['tty']).toBeUndefined();
  });

  it('is refused quickly, in a short message, however large or deep it is', () => {
    let deep: unknown = {};
    for (let depth = 0; depth < 100_000; depth += 1) deep = { command: deep, x: [deep] };
    const keys = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`key${index}`, index]));
    const large = [
      deep,
      { image: 'a', ports: new Array(10_000_000) },
      { image: 'a', storage: new Array(4000).fill({}) },
      { image: 'a', command: { args: ['x'.repeat(10_000_000)] } },
      { image: 'a', env: keys },
      { image: 'a', ...keys },
      { image: 'a', ['k'.repeat(1_000_000)]: 1 },
      { image: 'x'.repeat(1_000_000), hostname: 'a-'.repeat(100_000), pullPolicy: 'x'.repeat(1_000_000) },
      { image: 'a', resources: { memory: '1'.repeat(1_000_000) }, stopGracePeriod: '1h'.repeat(1_000_000) },
    ];
    const began = performance.now();
    for (const input of large) expect(failure(input).message.length).toBeLessThan(20_000);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('causes nothing but a typed error, whatever it is', () => {
    const value = fc.anything({ maxDepth: 3, withNullPrototype: true });
    const keys = fc.constantFrom(...Object.keys(whole));
    fc.assert(
      fc.property(fc.dictionary(keys, value), (input) => {
        try {
          parseServiceSpec({ image: 'a', ...input });
        } catch (error) {
          expect(isZlayerError(error) && error.code).toBe('INVALID_SPEC');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the nearest word', () => {
  it('is the same word in other letters, or one or two slips away', () => {
    const known = ['readOnly', 'target', 'source', 'tty'];
    expect(nearest('read-only', known)).toBe('readOnly');
    expect(nearest('taregt', known)).toBe('target');
    expect(nearest('sorce', known)).toBe('source');
    expect(nearest('completely', known)).toBeUndefined();
    expect(nearest('x'.repeat(1_000_000), known)).toBeUndefined();
  });

  it('is measured as a distance should be', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abc'), maxLength: 8 });
    fc.assert(
      fc.property(word, word, (from, to) => {
        const distance = editDistance(from, to);
        expect(distance).toBe(editDistance(to, from));
        expect(distance === 0).toBe(from === to);
        expect(distance).toBeLessThanOrEqual(Math.max(from.length, to.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(from.length - to.length));
      }),
    );
    expect(editDistance('ab', 'ba')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });
});

function failure(input: unknown): Error {
  try {
    parseServiceSpec(input);
  } catch (error) {
    return error as Error;
  }
  throw new Error('the spec was accepted');
}

function snakeKeys(value: unknown): object {
  const walk = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(walk);
    if (typeof item !== 'object' || item === null) return item;
    const entries = Object.entries(item).map(([key, entry]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      walk(entry),
    ]);
    return Object.fromEntries(entries);
  };
  return walk(value) as object;
}
