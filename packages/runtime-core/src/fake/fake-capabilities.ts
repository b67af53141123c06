import type { RuntimeCapabilities } from '../capabilities.ts';
import { parsePlatform } from '../platform.ts';

/** Capabilities of the fake runtime that a test can take away from it. */
export const FAKE_CAPABILITIES = [
  'images.list',
  'images.remove',
  'images.tag',
  'images.prune',
  'containers.pause',
  'containers.rename',
  'containers.stdin',
  'containers.stats',
  'containers.top',
  'exec.buffered',
  'exec.streaming',
  'exec.tty',
  'users.names',
  'network.connect',
] as const;
/** A capability by the path of its place in `RuntimeCapabilities`. */
export type FakeCapability = (typeof FAKE_CAPABILITIES)[number];

/** What the fake runtime declares when these are taken away. */
export function fakeCapabilities(without: ReadonlySet<FakeCapability>): RuntimeCapabilities {
  const has = (capability: FakeCapability): boolean => !without.has(capability);
  return {
    platforms: [parsePlatform('linux/amd64'), parsePlatform('linux/arm64')],
    images: {
      list: has('images.list'),
      remove: has('images.remove'),
      tag: has('images.tag'),
      prune: has('images.prune'),
      archive: false,
      push: false,
    },
    containers: {
      pause: has('containers.pause'),
      rename: has('containers.rename'),
      stdin: has('containers.stdin'),
      stats: has('containers.stats'),
      top: has('containers.top'),
      archive: false,
      healthChecks: false,
      restartPolicies: false,
      recover: false,
      concurrent: 1000,
    },
    exec: {
      buffered: has('exec.buffered'),
      streaming: has('exec.streaming'),
      tty: has('exec.tty'),
    },
    users: { names: has('users.names') },
    network: { publish: [], connect: has('network.connect'), containerIp: false, overlay: false },
    storage: [],
    resources: [],
  };
}
