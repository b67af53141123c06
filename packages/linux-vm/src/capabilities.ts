import { type RuntimeCapabilities, type ServiceSpec, ZlayerError } from '@zlayer/runtime-core';

/** What the runtime for Linux guests can do, over any hypervisor. */
export const LINUX_VM_CAPABILITIES: RuntimeCapabilities = {
  platforms: [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
  ],
  images: { list: false, remove: false, tag: false, prune: false, archive: false, push: false },
  containers: {
    pause: true,
    rename: false,
    stdin: true,
    stats: false,
    top: false,
    archive: false,
    healthChecks: false,
    restartPolicies: false,
    recover: false,
    concurrent: 4,
  },
  exec: { buffered: false, streaming: false, tty: false },
  users: { names: true },
  network: { publish: [], connect: false, containerIp: false, overlay: false },
  storage: [],
  resources: ['cpu', 'memory'],
};

/** What a spec may ask for that this runtime cannot do yet, by the place in the spec. */
const REFUSED: Readonly<Record<string, (spec: ServiceSpec) => boolean>> = {
  sourcePolicy: ({ sourcePolicy }) => sourcePolicy !== 'any',
  'rootfs.size': ({ rootfs }) => rootfs.size !== undefined,
  hostname: ({ hostname }) => hostname !== undefined,
  'resources.pids': ({ resources }) => resources.pids !== undefined,
  'resources.gpu': ({ resources }) => resources.gpu !== undefined,
  'resources.ulimits': ({ resources }) => Object.keys(resources.ulimits).length > 0,
  storage: ({ storage }) => storage.length > 0,
  ports: ({ ports }) => ports.length > 0,
  'networkMode host': ({ networkMode }) => networkMode === 'host',
  dns: ({ dns }) => dns.servers.length + dns.search.length > 0,
  extraHosts: ({ extraHosts }) => Object.keys(extraHosts).length > 0,
  readOnlyRoot: ({ readOnlyRoot }) => readOnlyRoot,
  capabilities: ({ capabilities: { add, drop } }) => add.length + drop.length > 0,
  'init: false': ({ init }) => !init,
  'lifecycle.onOwnerExit keep': ({ lifecycle }) => lifecycle.onOwnerExit === 'keep',
  'lifecycle.restart': ({ lifecycle }) => lifecycle.restart.policy !== 'no',
  'lifecycle.maxLifetime': ({ lifecycle }) => lifecycle.maxLifetime !== undefined,
  'lifecycle.idleTimeout': ({ lifecycle }) => lifecycle.idleTimeout !== undefined,
  healthCheck: ({ healthCheck }) => healthCheck !== undefined,
  tty: ({ tty }) => tty,
};

/** @throws ZlayerError `UNSUPPORTED` that names everything that this runtime would have to leave out. */
export function refuseUnsupported(runtime: string, spec: ServiceSpec): void {
  const refused = Object.keys(REFUSED).filter((place) => REFUSED[place]?.(spec));
  if (refused.length === 0) return;
  throw new ZlayerError(
    'UNSUPPORTED',
    `the runtime ${runtime} does not support this of the spec: ${refused.join(', ')}`,
    {
      subject: refused[0],
      remedy: 'Leave it out, or use a runtime whose capabilities() have it.',
    },
  );
}
