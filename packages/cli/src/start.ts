import type { Cancellable, ContainerInstance, Runtime } from '@zlayer/runtime-core';
import type { Cli } from './cli.ts';
import { formatJsonLine } from './format/json.ts';
import { printable } from './format/table.ts';

/** Starts a container, and says on stderr what is not as its spec has it. */
export async function start(
  cli: Pick<Cli, 'stderr'>,
  runtime: Pick<Runtime, 'startContainer'>,
  container: ContainerInstance,
  { json, signal }: { json?: boolean | undefined } & Cancellable = {},
): Promise<void> {
  const { warnings } = await runtime.startContainer(container, { signal });
  for (const warning of warnings) {
    cli.stderr.write(json ? `${formatJsonLine({ warning })}\n` : `zlayer: warning: ${printable(warning.message)}\n`);
  }
}
