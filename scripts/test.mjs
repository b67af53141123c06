// `npm test`: set-up, lint and format, types, unit and end-to-end tests. Plain JavaScript for any Node ≥ 18.

import { root } from './bootstrap/paths.mjs';
import { main, prepare } from './bootstrap/prepare.mjs';
import { run, step } from './bootstrap/steps.mjs';
import { toolchainEnvironment } from './bootstrap/toolchain.mjs';

const always = () => false;

await main(async () => {
  await prepare();
  const env = toolchainEnvironment();
  const pnpm = (...args) => run('pnpm', args, { cwd: root, env });
  await step('Check lint and format', { done: always, run: () => pnpm('exec', 'biome', 'ci', '.') });
  await step('Check types', {
    done: always,
    run: async () => {
      await pnpm('exec', 'turbo', 'run', 'typecheck', '--output-logs=errors-only');
      await pnpm('exec', 'tsc');
    },
  });
  await pnpm('exec', 'vitest', 'run', ...process.argv.slice(2));
  return 0;
});
