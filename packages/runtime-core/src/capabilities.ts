import type { Platform } from './platform.ts';
import type { PortProtocol } from './port-mapping.ts';
import type { StorageType } from './service-spec/storage.ts';
import type { NetworkMode, RootfsType, SourcePolicy } from './service-spec.ts';

/** What a spec may limit. */
export type ResourceKind = 'cpu' | 'memory' | 'pids' | 'gpu' | 'ulimits';

/**
 * What a runtime can do, so that nobody has to find out by trying. What is not declared fails with `UNSUPPORTED`, and the
 * conformance suite holds a runtime to both. `unsupportedPlaces` compares a spec with it.
 */
export interface RuntimeCapabilities {
  /** Platforms of the images it runs. */
  platforms: readonly Platform[];
  images: {
    /** `listImages` and `inspectImage`. */
    list: boolean;
    remove: boolean;
    tag: boolean;
    prune: boolean;
    /** `saveImages` and `loadImages`. */
    archive: boolean;
    push: boolean;
    /** Values of `sourcePolicy`. */
    sourcePolicies: readonly SourcePolicy[];
  };
  containers: {
    pause: boolean;
    rename: boolean;
    /** `writeStdin` and `closeStdin`. */
    stdin: boolean;
    /** A terminal for the workload (`tty: true`) and `resizeTerminal`. */
    tty: boolean;
    stats: boolean;
    top: boolean;
    /** `archiveGet`, `archivePut`, `archiveHead` of a running container. */
    archive: boolean;
    /** The same of one that does not run. Else it is a `CONFLICT`. */
    archiveStopped: boolean;
    healthChecks: boolean;
    restartPolicies: boolean;
    /** `lifecycle.maxLifetime`. */
    maxLifetime: boolean;
    /** `lifecycle.idleTimeout`. */
    idleTimeout: boolean;
    /** `lifecycle.onOwnerExit: keep`. */
    keep: boolean;
    /** An end for want of memory is told as such: the exit's reason `oom-killed` and an `oom` event. */
    oomKills: boolean;
    /** Finds containers again that an earlier process has left. */
    recover: boolean;
    /** Several containers at once; the most that the conformance suite may start. */
    concurrent: number;
  };
  /** What a spec may say about the surroundings of the process. */
  process: {
    hostname: boolean;
    readOnlyRoot: boolean;
    /** `capabilities.add` and `capabilities.drop`. */
    capabilities: boolean;
    /** `init: false`: the workload itself is PID 1. */
    withoutInit: boolean;
  };
  rootfs: {
    types: readonly RootfsType[];
    /** `rootfs.size`: a limit of what may be written. */
    size: boolean;
  };
  exec: {
    buffered: boolean;
    streaming: boolean;
    tty: boolean;
    /** `detach` of a process of `execStream`. */
    detach: boolean;
  };
  users: {
    /** Users by name, looked up in the container. */
    names: boolean;
  };
  network: {
    /** Protocols of published ports. */
    publish: readonly PortProtocol[];
    /** Published Unix sockets. */
    sockets: boolean;
    /** `connect` to a port that is not published. */
    connect: boolean;
    containerIp: boolean;
    overlay: boolean;
    /** Values of `networkMode`. */
    modes: readonly NetworkMode[];
    /** `dns.servers` and `dns.search`. */
    dns: boolean;
    extraHosts: boolean;
  };
  storage: readonly StorageType[];
  /** What a spec can limit. `cpu` and `memory` are always there in a spec; a runtime that does not declare them ignores them. */
  resources: readonly ResourceKind[];
}
