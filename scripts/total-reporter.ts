import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/**
 * Prints one line with the totals over the whole workspace. A test file that could not be loaded and an error outside
 * any test count as failures: a run that did not run is never a success.
 */
export class TotalReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'pending') count.failed += 1;
        else count[state] += 1;
      }
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`);
  }
}

// Vitest takes a reporter that is given by path from the file's default export.
// biome-ignore lint/style/noDefaultExport: see above
export default TotalReporter;
