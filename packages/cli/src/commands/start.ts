import { type ContainerInstance, ZlayerError } from '@zlayer/runtime-core';
import type { Cli } from '../cli.ts';
import { withDetachKeys } from '../detach-keys.ts';
import { forEachContainer } from '../each.ts';
import { resolveContainer } from '../resolve-container.ts';
import { start } from '../start.ts';
import { type AttachOptions, attach } from './attach.ts';
import { action, newCommand } from './command.ts';

type StartOptions = AttachOptions & { attach?: boolean; interactive?: boolean };

export function startCommand(cli: Cli) {
  const command = newCommand('start <container...>', 'Start containers; the supervisor looks after them.')
    .option('-a, --attach', 'show the output, and end with the exit code')
    .option('-i, --interactive', 'pass standard input on');
  withDetachKeys(command);
  return action(cli, command, async (names: string[], options: StartOptions) => {
    await using runtime = await cli.supervised(options);
    const { attach: wantsOutput, interactive: stdin = false } = options;
    const startOne = (container: ContainerInstance): Promise<void> => start(cli, runtime, container, options);
    if (!wantsOutput && !stdin) return await forEachContainer(cli, runtime, names, options, startOne);
    const [name = '', ...others] = names;
    if (others.length > 0) throw new ZlayerError('INVALID_SPEC', 'only one container can be attached to at a time');
    const { id, instance } = await resolveContainer(runtime, name);
    const container = { ...id, instance };
    return await attach(cli, runtime, container, { ...options, stdin }, () => startOne(container));
  });
}
