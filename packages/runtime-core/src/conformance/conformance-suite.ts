import { afterAll, describe, expect, test } from 'vitest';
import { abortSignals } from './areas/abort-signals.ts';
import { archives } from './areas/archives.ts';
import { attach } from './areas/attach.ts';
import { badSpecs } from './areas/bad-specs.ts';
import { commands } from './areas/commands.ts';
import { concurrency } from './areas/concurrency.ts';
import { connections } from './areas/connections.ts';
import { events } from './areas/events.ts';
import { exec } from './areas/exec.ts';
import { exits } from './areas/exits.ts';
import { health } from './areas/health.ts';
import { imageArchives } from './areas/image-archives.ts';
import { images } from './areas/images.ts';
import { instances } from './areas/instances.ts';
import { lifecycle } from './areas/lifecycle.ts';
import { lifetimes } from './areas/lifetimes.ts';
import { limits } from './areas/limits.ts';
import { logs } from './areas/logs.ts';
import { overlay } from './areas/overlay.ts';
import { pause } from './areas/pause.ts';
import { recovery } from './areas/recovery.ts';
import { removal } from './areas/removal.ts';
import { restarts } from './areas/restarts.ts';
import { stats } from './areas/stats.ts';
import { stdin } from './areas/stdin.ts';
import { storage } from './areas/storage.ts';
import { surroundings } from './areas/surroundings.ts';
import { terminals } from './areas/terminals.ts';
import { unknownContainers } from './areas/unknown-containers.ts';
import { unsupported } from './areas/unsupported.ts';
import { unsupportedSpecs } from './areas/unsupported-specs.ts';
import { users } from './areas/users.ts';
import { waits } from './areas/waits.ts';
import type { ConformanceOptions } from './conformance-options.ts';
import { EventRecord } from './event-record.ts';
import { KnownGaps } from './known-gaps.ts';
import { Suite } from './suite.ts';

/** In the order in which a reader wants to know: what fails first explains what fails later. */
const AREAS: readonly ((suite: Suite) => void)[] = [
  badSpecs,
  unknownContainers,
  unsupported,
  unsupportedSpecs,
  images,
  imageArchives,
  lifecycle,
  waits,
  exits,
  commands,
  users,
  logs,
  attach,
  stdin,
  terminals,
  exec,
  connections,
  overlay,
  storage,
  surroundings,
  limits,
  stats,
  pause,
  health,
  restarts,
  lifetimes,
  archives,
  instances,
  events,
  abortSignals,
  concurrency,
  recovery,
  removal,
];

/**
 * Defines the vitest tests that every runtime has to pass: call it at the top level of a test file. What a runtime
 * declares in its capabilities is tested, what it does not declare has to fail with `UNSUPPORTED`. It starts some 40
 * containers when the runtime is slow, else some 60, and up to 40 more for what is declared; each test removes its own.
 */
export function conformanceSuite(options: ConformanceOptions): void {
  const { name, slow = false, timeouts = {}, knownGaps = {} } = options;
  const testMs = timeouts.testMs ?? (slow ? 120_000 : 10_000);
  const silenceMs = timeouts.silenceMs ?? (slow ? 5000 : 1500);
  const gaps = new KnownGaps(knownGaps);

  describe(name, async () => {
    const subject = await options.create();
    const { runtime, leftovers, reopen } = subject;
    const { images } = options;
    const capabilities = runtime.capabilities();
    const events = new EventRecord(runtime);
    const instances = new Set<string>();
    const lab = { runtime, leftovers, reopen, images, events, capabilities, slow, silenceMs, instances };
    const suite = new Suite({ gaps, testMs, lab });

    afterAll(async () => {
      const report = gaps.report(name);
      if (report !== undefined) console.info(report);
      try {
        await runtime.close();
      } finally {
        await subject.dispose?.();
      }
    }, 2 * testMs);

    for (const area of AREAS) area(suite);

    test('every known gap names a test of this suite', () => {
      expect(gaps.strangers).toEqual([]);
    });
  });
}
