import type { RuntimeCapabilities } from '../capabilities.ts';
import { formatPlatform } from '../platform.ts';

/** What at least one of several runtimes can do. */
export function unitedCapabilities(all: readonly RuntimeCapabilities[]): RuntimeCapabilities {
  const some = (can: (capabilities: RuntimeCapabilities) => boolean): boolean => all.some(can);
  const each = <T>(list: (capabilities: RuntimeCapabilities) => readonly T[]): T[] => [...new Set(all.flatMap(list))];
  const platforms = all.flatMap((capabilities) => capabilities.platforms);
  return {
    platforms: [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()],
    images: {
      list: some(({ images }) => images.list),
      remove: some(({ images }) => images.remove),
      tag: some(({ images }) => images.tag),
      prune: some(({ images }) => images.prune),
      archive: some(({ images }) => images.archive),
      push: some(({ images }) => images.push),
      sourcePolicies: each(({ images }) => images.sourcePolicies),
    },
    containers: {
      pause: some(({ containers }) => containers.pause),
      rename: some(({ containers }) => containers.rename),
      stdin: some(({ containers }) => containers.stdin),
      tty: some(({ containers }) => containers.tty),
      stats: some(({ containers }) => containers.stats),
      top: some(({ containers }) => containers.top),
      archive: some(({ containers }) => containers.archive),
      archiveStopped: some(({ containers }) => containers.archiveStopped),
      healthChecks: some(({ containers }) => containers.healthChecks),
      restartPolicies: some(({ containers }) => containers.restartPolicies),
      maxLifetime: some(({ containers }) => containers.maxLifetime),
      idleTimeout: some(({ containers }) => containers.idleTimeout),
      keep: some(({ containers }) => containers.keep),
      oomKills: some(({ containers }) => containers.oomKills),
      recover: some(({ containers }) => containers.recover),
      // Not the sum: all of them may have to go to one runtime.
      concurrent: Math.max(...all.map(({ containers }) => containers.concurrent)),
    },
    process: {
      hostname: some(({ process }) => process.hostname),
      readOnlyRoot: some(({ process }) => process.readOnlyRoot),
      capabilities: some(({ process }) => process.capabilities),
      withoutInit: some(({ process }) => process.withoutInit),
    },
    rootfs: {
      types: each(({ rootfs }) => rootfs.types),
      size: some(({ rootfs }) => rootfs.size),
    },
    exec: {
      buffered: some(({ exec }) => exec.buffered),
      streaming: some(({ exec }) => exec.streaming),
      tty: some(({ exec }) => exec.tty),
      detach: some(({ exec }) => exec.detach),
    },
    users: { names: some(({ users }) => users.names) },
    network: {
      publish: each(({ network }) => network.publish),
      sockets: some(({ network }) => network.sockets),
      connect: some(({ network }) => network.connect),
      containerIp: some(({ network }) => network.containerIp),
      overlay: some(({ network }) => network.overlay),
      modes: each(({ network }) => network.modes),
      dns: some(({ network }) => network.dns),
      extraHosts: some(({ network }) => network.extraHosts),
    },
    storage: each(({ storage }) => storage),
    resources: each(({ resources }) => resources),
  };
}
