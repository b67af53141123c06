import { tmpdir } from 'node:os';
import { expect } from 'vitest';
import type { RuntimeCapabilities } from '../../capabilities.ts';
import { ARCHITECTURES, formatPlatform, OPERATING_SYSTEMS } from '../../platform.ts';
import type { ServiceSpecInput } from '../../service-spec.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

interface Demand {
  spec: Partial<ServiceSpecInput>;
  declared: (capabilities: RuntimeCapabilities) => boolean;
}

const mount = { target: '/conformance' } as const;

/** What a spec may ask for, by the place that an error has to name. */
const DEMANDS: Readonly<Record<string, Demand>> = {
  tty: { spec: { tty: true }, declared: ({ containers }) => containers.tty },
  openStdin: { spec: { openStdin: true }, declared: ({ containers }) => containers.stdin },
  hostname: { spec: { hostname: 'conformance' }, declared: ({ process }) => process.hostname },
  readOnlyRoot: { spec: { readOnlyRoot: true }, declared: ({ process }) => process.readOnlyRoot },
  capabilities: { spec: { capabilities: { drop: ['ALL'] } }, declared: ({ process }) => process.capabilities },
  init: { spec: { init: false }, declared: ({ process }) => process.withoutInit },
  'rootfs.size': { spec: { rootfs: { size: '1Gi' } }, declared: ({ rootfs }) => rootfs.size },
  'rootfs.type erofs': {
    spec: { rootfs: { type: 'erofs' } },
    declared: ({ rootfs }) => rootfs.types.includes('erofs'),
  },
  'rootfs.type virtiofs': {
    spec: { rootfs: { type: 'virtiofs' } },
    declared: ({ rootfs }) => rootfs.types.includes('virtiofs'),
  },
  'user by name': { spec: { user: 'tester' }, declared: ({ users }) => users.names },
  'resources.pids': { spec: { resources: { pids: 100 } }, declared: ({ resources }) => resources.includes('pids') },
  'resources.gpu': {
    spec: { resources: { gpu: { vendor: 'apple' } } },
    declared: ({ resources }) => resources.includes('gpu'),
  },
  'resources.ulimits': {
    spec: { resources: { ulimits: { nofile: 100 } } },
    declared: ({ resources }) => resources.includes('ulimits'),
  },
  'storage[0] of type bind': {
    spec: { storage: [{ type: 'bind', source: tmpdir(), ...mount }] },
    declared: ({ storage }) => storage.includes('bind'),
  },
  'storage[0] of type named': {
    spec: { storage: [{ type: 'named', name: 'conformance', ...mount }] },
    declared: ({ storage }) => storage.includes('named'),
  },
  'storage[0] of type anonymous': {
    spec: { storage: [{ type: 'anonymous', ...mount }] },
    declared: ({ storage }) => storage.includes('anonymous'),
  },
  'storage[0] of type tmpfs': {
    spec: { storage: [{ type: 'tmpfs', ...mount }] },
    declared: ({ storage }) => storage.includes('tmpfs'),
  },
  'storage[0] of type s3': {
    spec: { storage: [{ type: 's3', bucket: 'conformance', ...mount }] },
    declared: ({ storage }) => storage.includes('s3'),
  },
  'ports[0] of protocol tcp': { spec: { ports: ['80'] }, declared: ({ network }) => network.publish.includes('tcp') },
  'ports[0] of protocol udp': {
    spec: { ports: ['80/udp'] },
    declared: ({ network }) => network.publish.includes('udp'),
  },
  sockets: {
    spec: { sockets: ['/tmp/zlayer-conformance.sock:/tmp/echo.sock'] },
    declared: ({ network }) => network.sockets,
  },
  'networkMode none': { spec: { networkMode: 'none' }, declared: ({ network }) => network.modes.includes('none') },
  'networkMode host': { spec: { networkMode: 'host' }, declared: ({ network }) => network.modes.includes('host') },
  dns: { spec: { dns: { servers: ['192.0.2.53'] } }, declared: ({ network }) => network.dns },
  extraHosts: { spec: { extraHosts: { other: '192.0.2.1' } }, declared: ({ network }) => network.extraHosts },
  healthCheck: { spec: { healthCheck: { tcp: { port: 80 } } }, declared: ({ containers }) => containers.healthChecks },
  'lifecycle.restart': {
    spec: { lifecycle: { restart: { policy: 'always' } } },
    declared: ({ containers }) => containers.restartPolicies,
  },
  'lifecycle.maxLifetime': {
    spec: { lifecycle: { maxLifetime: '1h' } },
    declared: ({ containers }) => containers.maxLifetime,
  },
  'lifecycle.idleTimeout': {
    spec: { lifecycle: { idleTimeout: '1h' } },
    declared: ({ containers }) => containers.idleTimeout,
  },
  'lifecycle.onOwnerExit': {
    spec: { lifecycle: { onOwnerExit: 'keep' } },
    declared: ({ containers }) => containers.keep,
  },
  'sourcePolicy local': {
    spec: { sourcePolicy: 'local' },
    declared: ({ images }) => images.sourcePolicies.includes('local'),
  },
  'sourcePolicy registry': {
    spec: { sourcePolicy: 'registry' },
    declared: ({ images }) => images.sourcePolicies.includes('registry'),
  },
};

/** What only a start, or somebody's store, could accept. */
const NOT_TO_BE_CREATED: ReadonlySet<string> = new Set(['sourcePolicy local', 'storage[0] of type s3']);

/** Specs that ask for what a runtime does not declare, and for what it does. Nothing is started. */
export function unsupportedSpecs(suite: Suite): void {
  suite.area('specs and capabilities', () => {
    for (const [place, { spec, declared }] of Object.entries(DEMANDS)) {
      suite.testWith(
        (capabilities) => !declared(capabilities),
        `a spec with ${place} is UNSUPPORTED, which names the place, and creates nothing`,
        async (bench) => {
          const id = bench.id();
          const error = await expectError(bench.create(bench.shell('exit0', spec), id), 'UNSUPPORTED');
          expect(error.message).toContain(place);
          await expectError(bench.runtime.containerState(id), 'NOT_FOUND');
        },
      );
      if (NOT_TO_BE_CREATED.has(place)) continue;
      suite.testWith(declared, `a spec with ${place}, which is declared, is accepted`, async (bench) => {
        const container = await bench.create(bench.shell('exit0', spec));
        expect((await bench.runtime.inspectContainer(container)).spec).toMatchObject({ image: bench.lab.images.shell });
      });
    }

    suite.test('a platform that is not declared is refused and creates nothing', async (bench) => {
      const declared = bench.lab.capabilities.platforms.map(formatPlatform);
      const others = OPERATING_SYSTEMS.flatMap((os) =>
        ARCHITECTURES.map((architecture) => formatPlatform({ os, architecture })),
      ).filter((platform) => !declared.includes(platform));
      for (const platform of others) {
        const id = bench.id();
        // A runtime of several has none for it, which is another thing.
        await expectError(bench.create(bench.shell('exit0', { platform }), id), 'UNSUPPORTED', 'UNAVAILABLE');
        await expectError(bench.runtime.containerState(id), 'NOT_FOUND');
      }
    });

    suite.test('everything that a spec asks for and is not declared is named at once', async (bench) => {
      const undeclared = Object.entries(DEMANDS).filter(([, { declared }]) => !declared(bench.lab.capabilities));
      const places = undeclared
        .map(([place]) => place)
        .filter((place) => !/^(?:storage|ports|rootfs|lifecycle|resources|networkMode|sourcePolicy)/.test(place));
      if (places.length === 0) return;
      const spec = Object.assign({}, ...undeclared.map(([, demand]) => demand.spec)) as Partial<ServiceSpecInput>;
      const error = await expectError(bench.create(bench.shell('exit0', spec)), 'UNSUPPORTED');
      for (const place of places) expect(error.message).toContain(place);
    });
  });
}
