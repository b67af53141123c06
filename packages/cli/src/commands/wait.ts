import type { Cli } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { forEachName } from '../each.ts';
import { resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

export function waitCommand(cli: Cli) {
  const command = newCommand('wait <container...>', 'Wait until containers have ended; print their exit codes.');
  return action(cli, command, async (names: string[], options: CommonOptions) => {
    await using runtime = await cli.supervised(options);
    const wait = async (name: string) => {
      const { id, instance } = await resolveContainer(runtime, name);
      return { name, ...(await runtime.waitContainer({ ...id, instance })) };
    };
    // An end that nobody knows is no exit code.
    return await forEachName(cli, names, options, wait, ({ exitCode }) => String(exitCode ?? 'unknown'));
  });
}
