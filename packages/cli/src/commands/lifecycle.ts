import type { ContainerInstance, Runtime } from '@zlayer/runtime-core';
import { InvalidArgumentError } from 'commander';
import type { Cli } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { forEachContainer } from '../each.ts';
import { idOfName, resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

type Act<O> = (runtime: Runtime, container: ContainerInstance, options: O) => Promise<void>;

/** A command that does one thing to each of the containers that are named. */
function forContainers<O extends CommonOptions>(cli: Cli, name: string, description: string, act: Act<O>) {
  const command = newCommand(`${name} <container...>`, description);
  return action(cli, command, async (names: string[], options: O) => {
    await using runtime = await cli.supervised(options);
    return await forEachContainer(cli, runtime, names, options, (container) => act(runtime, container, options));
  });
}

type StopOptions = CommonOptions & { time?: number };

export function stopCommand(cli: Cli) {
  return forContainers<StopOptions>(
    cli,
    'stop',
    'Ask containers to end; end them after a while.',
    (runtime, it, { time }) => runtime.stopContainer(it, time === undefined ? {} : { timeoutMs: time * 1000 }),
  ).option('-t, --time <seconds>', "how long they may take (default: each container's own)", seconds);
}

type KillOptions = CommonOptions & { signal: string };

export function killCommand(cli: Cli) {
  return forContainers<KillOptions>(cli, 'kill', 'Send a signal to containers.', (runtime, it, { signal }) =>
    runtime.killContainer(it, signal),
  ).option('-s, --signal <signal>', 'which one', 'SIGKILL');
}

type RmOptions = CommonOptions & { force?: boolean };

export function rmCommand(cli: Cli) {
  return forContainers<RmOptions>(cli, 'rm', 'Remove containers.', (runtime, it, { force }) =>
    runtime.removeContainer(it, { force }),
  ).option('-f, --force', 'end those that run');
}

export function pauseCommand(cli: Cli) {
  return forContainers(cli, 'pause', 'Stop containers in their tracks.', (runtime, it) => runtime.pauseContainer(it));
}

export function unpauseCommand(cli: Cli) {
  return forContainers(cli, 'unpause', 'Let paused containers go on.', (runtime, it) => runtime.unpauseContainer(it));
}

export function renameCommand(cli: Cli) {
  const command = newCommand('rename <container> <name>', 'Give a container another name.');
  return action(cli, command, async (name: string, newName: string, options: CommonOptions) => {
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, name);
    await runtime.renameContainer({ ...id, instance }, idOfName(newName));
  });
}

function seconds(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a whole number of seconds.');
}
