import { fileURLToPath } from 'node:url';
import type { Architecture } from '@zlayer/runtime-core';

/** The agent's executable for a guest architecture, as this package's build made it. */
export function agentPath(architecture: Architecture): string {
  // One folder up is the package, seen from its sources as from its build.
  return fileURLToPath(new URL(`../dist/guest/${architecture}/vzagent`, import.meta.url));
}
