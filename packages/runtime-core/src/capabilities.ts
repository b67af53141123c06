import type { Platform } from './platform.ts';

/**
 * What a runtime can do, so that nobody has to find out by trying. What is not declared fails with `UNSUPPORTED`, and the
 * conformance suite holds a runtime to both.
 */
export interface RuntimeCapabilities {
  /** Platforms of the images it runs. */
  platforms: readonly Platform[];
  images: {
    list: boolean;
    remove: boolean;
    tag: boolean;
    prune: boolean;
    /** `saveImages` and `loadImages`. */
    archive: boolean;
    push: boolean;
  };
  containers: {
    pause: boolean;
    rename: boolean;
    /** `writeStdin` and `closeStdin`. */
    stdin: boolean;
    stats: boolean;
    top: boolean;
    /** `archiveGet`, `archivePut`, `archiveHead`. */
    archive: boolean;
    healthChecks: boolean;
    restartPolicies: boolean;
    /** Finds containers again that an earlier process has left. */
    recover: boolean;
    /** Several containers at once; the most that the conformance suite may start. */
    concurrent: number;
  };
  exec: {
    buffered: boolean;
    streaming: boolean;
    tty: boolean;
  };
  users: {
    /** Users by name, looked up in the container. */
    names: boolean;
  };
  network: {
    publish: readonly ('tcp' | 'udp')[];
    /** `connect` to a port that is not published. */
    connect: boolean;
    containerIp: boolean;
    overlay: boolean;
  };
  storage: readonly ('bind' | 'named' | 'anonymous' | 'tmpfs' | 's3')[];
  resources: readonly ('cpu' | 'memory' | 'pids' | 'gpu' | 'ulimits')[];
}
