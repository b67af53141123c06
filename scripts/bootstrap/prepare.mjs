// Everything between a fresh clone and a checkout that runs.

import { SetupError } from './steps.mjs';
import { installSystemPackages } from './system-packages.mjs';
import { installToolchain } from './toolchain.mjs';
import { buildWorkspace, installDependencies } from './workspace.mjs';

export async function prepare() {
  await installSystemPackages();
  await installToolchain();
  await installDependencies();
  await buildWorkspace();
}

/** Runs a script's main function; failures that the reader can act on come without a stack. */
export async function main(body) {
  try {
    process.exitCode = await body();
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error);
    process.exitCode = 1;
  }
}
