/** What is checked, and the check: it tells what it found, or throws. */
export type Step = readonly [name: string, check: () => Promise<string>];

/** Does one step after the other, and says the table. What comes after a failure is tried as well. Returns the failures. */
export async function checks(steps: readonly Step[], say: (line: string) => void): Promise<number> {
  const width = Math.max(...steps.map(([name]) => name.length));
  let failed = 0;
  say(`| ${'check'.padEnd(width)} | result | |`);
  say(`|${'-'.repeat(width + 2)}|--------|-|`);
  for (const [name, check] of steps) {
    const [result, detail] = await check().then(
      (found) => ['ok    ', found] as const,
      (error: unknown) => ['FAILED', error instanceof Error ? error.message : String(error)] as const,
    );
    if (result === 'FAILED') failed += 1;
    say(`| ${name.padEnd(width)} | ${result} | ${detail.replaceAll(/\s*\n\s*/g, ' ')} |`);
  }
  return failed;
}
