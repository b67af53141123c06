/** The tests that a runtime is known to fail. */
export class KnownGaps {
  readonly #reasons: Readonly<Record<string, string>>;
  readonly #names = new Set<string>();
  readonly #seen = new Map<string, string>();

  constructor(reasons: Readonly<Record<string, string>>) {
    this.#reasons = reasons;
  }

  /** Takes note of a test; gives the reason of its gap, if it is one. */
  define(name: string): string | undefined {
    if (this.#names.has(name)) throw new Error(`two tests of the conformance suite are called ${JSON.stringify(name)}`);
    this.#names.add(name);
    return Object.hasOwn(this.#reasons, name) ? this.#reasons[name] : undefined;
  }

  /** Passes when the test fails, and fails when it passes: then the gap is closed and has to leave the list. */
  async expectFailure(name: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#seen.set(name, error instanceof Error ? error.message : String(error));
      return;
    }
    throw new Error(`the gap is closed: take ${JSON.stringify(name)} out of knownGaps`);
  }

  /** Gaps that name no test of this runtime: misspelt, renamed since, or of a capability that it does not declare. */
  get strangers(): string[] {
    return Object.keys(this.#reasons).filter((name) => !this.#names.has(name));
  }

  /** The list to print: each gap with its reason and how it failed this time. */
  report(runtime: string): string | undefined {
    const names = Object.keys(this.#reasons);
    if (names.length === 0) return undefined;
    const lines = names.flatMap((name) => [
      `  - ${name}`,
      `    reason: ${this.#reasons[name]}`,
      `    this time: ${this.#seen.get(name)?.split('\n')[0] ?? 'did not fail: closed, or not run'}`,
    ]);
    return [`${runtime}: ${names.length} known gaps of the conformance suite`, ...lines].join('\n');
  }
}
