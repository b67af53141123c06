import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { FUZZ_COMPILER, FUZZ_TARGETS, fuzz } from '../build/fuzz.ts';

const RUNS = 10_000;
const missing = existsSync(join('/usr/bin', FUZZ_COMPILER)) ? '' : ` (skipped: ${FUZZ_COMPILER} is not installed)`;

describe.skipIf(missing !== '')(`hostile bytes under sanitizers${missing}`, () => {
  it.each(FUZZ_TARGETS)('do no harm to the agent’s %s', async (target) => {
    await fuzz(target, `-runs=${RUNS}`);
  });
});
