import type { Runtime } from '../runtime.ts';

/** The runtime under test, and what is to be known about it. */
export interface RuntimeUnderTest {
  /** Nobody else may use it while the suite runs: the suite prunes. */
  runtime: Runtime;
  /**
   * Makes a further runtime over the same state, as a program that is started later would. Needed for what is declared with
   * `containers.recover`; the suite closes it.
   */
  reopen?: (() => Promise<Runtime>) | undefined;
  /** Called once after the last test, after the runtime was closed. */
  dispose?: (() => Promise<void>) | undefined;
  /**
   * What an instance has left behind after its removal: paths, processes, sockets. Without it the suite looks only
   * at what the runtime itself says.
   */
  leftovers?: ((instance: string) => Promise<string[]>) | undefined;
}

/** References of the images that the tests use. Read only after `create` has resolved. */
export interface ConformanceImageReferences {
  /** `CONFORMANCE_IMAGES.shell` */
  shell: string;
  /** `CONFORMANCE_IMAGES.configured` */
  configured: string;
  /** Where the runtime may push to. Needed when `images.push` is declared. */
  pushed?: string | undefined;
  /**
   * Its command says `ready` and sends back every datagram that comes to UDP port 7778, and everything that comes over
   * connections to the Unix socket `/tmp/echo.sock`. Busybox has nothing that does so. Needed when the publishing of UDP
   * ports or of sockets is declared.
   */
  datagrams?: string | undefined;
  /** A well-formed reference to an image that does not exist anywhere. */
  unknown: string;
}

/** What the suite needs to know about a runtime. */
export interface ConformanceOptions {
  /** Names the tests in the report. */
  name: string;
  /**
   * Makes the one runtime of the suite. It is called while tests are collected: the runtime's capabilities say which
   * there are.
   */
  create: () => Promise<RuntimeUnderTest>;
  images: ConformanceImageReferences;
  /**
   * For runtimes that take seconds to start a container: longer default timeouts, no more than four containers at once,
   * fewer races. Default: `false`.
   */
  slow?: boolean | undefined;
  timeouts?:
    | {
        /** For each test, in milliseconds. Default: 10 000, or 120 000 when slow. */
        testMs?: number | undefined;
        /** How long output that must not come is waited for, in milliseconds. Default: 1 500, or 5 000 when slow. */
        silenceMs?: number | undefined;
      }
    | undefined;
  /**
   * Tests that are known to fail, by name, with the reason. They run all the same: one that passes fails the suite, so
   * that the list never says more than is true. The suite prints the list at its end.
   */
  knownGaps?: Readonly<Record<string, string>> | undefined;
}
