import { formatContainerId } from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import { withRegistryOptions } from '../common-options.ts';
import { formatJson } from '../format/json.ts';
import { type ContainerOptions, prepareContainer, readSpec } from '../prepare-container.ts';
import { withSpecOptions } from '../spec-options.ts';
import { action, newCommand } from './command.ts';

export function createCommand(cli: Cli) {
  const command = newCommand('create <image> [command...]', 'Create a container without starting it.')
    .passThroughOptions()
    .helpOption('--help', 'display help for command');
  withRegistryOptions(withSpecOptions(command));
  return action(
    cli,
    command,
    async (image: string, args: string[], options: ContainerOptions) => {
      const spec = await readSpec(cli, image, args, options, 'keep');
      await using images = await cli.local(options);
      await using owner = await cli.supervised(options);
      const { instance, ...id } = await prepareContainer(cli, { images, owner }, spec, options);
      const name = formatContainerId(id);
      say(cli, options.json ? formatJson({ name, instance }) : name);
    },
    { runs: true },
  );
}
