import type { RuntimeCapabilities } from '../capabilities.ts';
import { parsePlatform } from '../platform.ts';

/** Capabilities of the fake runtime that a test can take away from it. */
export const FAKE_CAPABILITIES = [
  'images.list',
  'images.remove',
  'images.tag',
  'images.prune',
  'images.archive',
  'images.push',
  'containers.pause',
  'containers.rename',
  'containers.stdin',
  'containers.tty',
  'containers.stats',
  'containers.top',
  'containers.archive',
  'containers.healthChecks',
  'containers.restartPolicies',
  'containers.maxLifetime',
  'containers.idleTimeout',
  'containers.keep',
  'containers.recover',
  'containers.oomKills',
  'process.hostname',
  'process.readOnlyRoot',
  'process.withoutInit',
  'rootfs.size',
  'exec.buffered',
  'exec.streaming',
  'exec.tty',
  'users.names',
  'network.publish',
  'network.connect',
  'network.dns',
  'network.extraHosts',
  'storage.bind',
  'storage.named',
  'storage.anonymous',
  'storage.tmpfs',
] as const;
/** A capability by the path of its place in `RuntimeCapabilities`. */
export type FakeCapability = (typeof FAKE_CAPABILITIES)[number];

/** What the fake runtime declares when these are taken away. */
export function fakeCapabilities(without: ReadonlySet<FakeCapability>): RuntimeCapabilities {
  const has = (capability: FakeCapability): boolean => !without.has(capability);
  return {
    platforms: ['linux/amd64', 'linux/arm64'].map(parsePlatform),
    images: {
      list: has('images.list'),
      remove: has('images.remove'),
      tag: has('images.tag'),
      prune: has('images.prune'),
      archive: has('images.archive'),
      push: has('images.push'),
      sourcePolicies: ['any'],
    },
    containers: {
      pause: has('containers.pause'),
      rename: has('containers.rename'),
      stdin: has('containers.stdin'),
      tty: has('containers.tty'),
      stats: has('containers.stats'),
      top: has('containers.top'),
      archive: has('containers.archive'),
      archiveStopped: has('containers.archive'),
      healthChecks: has('containers.healthChecks'),
      restartPolicies: has('containers.restartPolicies'),
      maxLifetime: has('containers.maxLifetime'),
      idleTimeout: has('containers.idleTimeout'),
      keep: has('containers.keep'),
      recover: has('containers.recover'),
      oomKills: has('containers.oomKills'),
      concurrent: 1000,
    },
    process: {
      hostname: has('process.hostname'),
      readOnlyRoot: has('process.readOnlyRoot'),
      capabilities: false,
      withoutInit: has('process.withoutInit'),
    },
    rootfs: { types: ['erofs', 'virtiofs'], size: has('rootfs.size') },
    exec: {
      buffered: has('exec.buffered'),
      streaming: has('exec.streaming'),
      tty: has('exec.tty'),
    },
    users: { names: has('users.names') },
    network: {
      publish: has('network.publish') ? ['tcp', 'udp'] : [],
      connect: has('network.connect'),
      containerIp: false,
      overlay: false,
      modes: ['default'],
      dns: has('network.dns'),
      extraHosts: has('network.extraHosts'),
    },
    storage: (['bind', 'named', 'anonymous', 'tmpfs'] as const).filter((type) => has(`storage.${type}`)),
    resources: has('containers.oomKills') ? ['memory'] : [],
  };
}
