import { afterAll, describe, test } from 'vitest';
import type { RuntimeCapabilities } from '../capabilities.ts';
import { Bench, type Laboratory } from './bench.ts';
import { type Capability, DECLARED } from './capability.ts';
import type { KnownGaps } from './known-gaps.ts';

/** What a test needs so that it can run. */
type Condition = Capability | ((capabilities: RuntimeCapabilities) => boolean);

type Body = (bench: Bench) => Promise<void>;

interface SuiteOptions {
  lab: Laboratory;
  gaps: KnownGaps;
  testMs: number;
}

/** Defines the tests of one runtime. Test names are unique, because known gaps are named by them. */
export class Suite {
  readonly #options: SuiteOptions;
  readonly #definitions: (() => void)[] = [];
  readonly #hooks: (() => void)[] = [];

  constructor(options: SuiteOptions) {
    this.#options = options;
  }

  /** A group of tests about one thing; none when none of its tests is for this runtime. */
  area(name: string, define: () => void): void {
    define();
    const definitions = this.#definitions.splice(0);
    const hooks = this.#hooks.splice(0);
    if (definitions.length === 0) return;
    describe(name, () => {
      for (const definition of [...hooks, ...definitions]) definition();
    });
  }

  test(name: string, body: Body): void {
    const { gaps, lab, testMs } = this.#options;
    const gap = gaps.define(name);
    const title = gap === undefined ? name : `${name} (known gap: ${gap})`;
    const run = (): Promise<void> => this.#run(lab, body);
    const judged = (): Promise<void> => (gap === undefined ? run() : gaps.expectFailure(name, run));
    this.#definitions.push(() => test(title, { timeout: 2 * testMs + 5000 }, judged));
  }

  /** A test of a runtime that has these capabilities. For another one it is not defined at all. */
  testWith(conditions: Condition | readonly Condition[], name: string, body: Body): void {
    const { capabilities } = this.#options.lab;
    const holds = (condition: Condition): boolean =>
      (typeof condition === 'string' ? DECLARED[condition] : condition)(capabilities);
    if ([conditions].flat().every(holds)) this.test(name, body);
  }

  /**
   * Something that several tests of an area look at, made by the first of them. Its containers are removed after the
   * area. When it fails, each of those tests fails.
   */
  shared<T>(make: (bench: Bench) => Promise<T>): () => Promise<T> {
    let made: Promise<T> | undefined;
    let bench: Bench | undefined;
    const over = new AbortController();
    const build = async (): Promise<T> => {
      const { lab, testMs } = this.#options;
      bench = new Bench(lab, over.signal);
      // One that hangs costs the time of one test, not of all that look at it.
      return inTime(make(bench), testMs, over);
    };
    const clear = async (): Promise<void> => {
      await made?.catch(() => {});
      await bench?.clear();
      over.abort();
    };
    this.#hooks.push(() => afterAll(clear, 2 * this.#options.testMs));
    return () => {
      made ??= build();
      return made;
    };
  }

  async #run(lab: Laboratory, body: Body): Promise<void> {
    const { testMs } = this.#options;
    const late = new AbortController();
    const bench = new Bench(lab, late.signal);
    try {
      await inTime(body(bench), testMs, late);
    } catch (error) {
      await bench.clear().catch(() => {});
      throw error;
    }
    await bench.clear();
  }
}

/** Gives up waiting after a time, and tells the others by aborting `late`. */
async function inTime<T>(work: Promise<T>, milliseconds: number, late: AbortController): Promise<T> {
  const outOfTime = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new Error(`the test did not end within ${milliseconds} ms`);
    outOfTime.reject(error);
    late.abort(error);
  }, milliseconds);
  try {
    return await Promise.race([work, outOfTime.promise]);
  } finally {
    clearTimeout(timer);
  }
}
