// Steps of the set-up: each says what it does and how long it took, and is passed over when its work is already done.

import { spawn } from 'node:child_process';

/** A failure that the reader can act on: printed without a stack. */
export class SetupError extends Error {}

/**
 * @param {string} title what the step does, in the imperative
 * @param {{ done: () => boolean, run: () => void | Promise<void> }} step
 */
export async function step(title, { done, run }) {
  if (done()) return;
  console.log(`▸ ${title} …`);
  const started = performance.now();
  await run();
  console.log(`  ${title}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * Runs a program to its end. Its output is shown, or with `quiet` only when it fails.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} [options]
 */
export function run(program, args, { cwd, env = process.env, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(chunk));
    child.once('error', (error) => reject(new SetupError(`cannot run ${program}: ${error.message}`)));
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      process.stderr.write(Buffer.concat(output));
      reject(new SetupError(`${[program, ...args].join(' ')} ended with ${signal ?? `code ${code}`}`));
    });
  });
}
