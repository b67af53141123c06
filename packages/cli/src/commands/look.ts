import { formatContainerId, isZlayerError, type Runtime, ZlayerError } from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { formatJson } from '../format/json.ts';
import { formatHostPort } from '../format/ports.ts';
import { formatTable } from '../format/table.ts';
import { resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

export function topCommand(cli: Cli) {
  const command = newCommand('top <container>', 'List the processes of a container.');
  return action(cli, command, async (name: string, options: CommonOptions) => {
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, name);
    const processes = await runtime.topContainer({ ...id, instance });
    if (options.json) return say(cli, formatJson(processes));
    const rows = processes.map(({ user, pid, parentPid, command: line }) => [user, `${pid}`, `${parentPid}`, line]);
    say(cli, formatTable(['UID', 'PID', 'PPID', 'CMD'], rows));
  });
}

export function portCommand(cli: Cli) {
  const command = newCommand('port <container> [port]', 'Show where ports of a container are on the host.');
  return action(cli, command, async (name: string, wanted: string | undefined, options: CommonOptions) => {
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, name);
    const ports = await runtime.portMappings({ ...id, instance });
    const [number, protocol = 'tcp'] = wanted?.split('/') ?? [];
    const found = ports.filter(
      (port) => wanted === undefined || (`${port.containerPort}` === number && port.protocol === protocol),
    );
    if (found.length === 0 && wanted !== undefined) {
      throw new ZlayerError('NOT_FOUND', `no port ${wanted} of ${name} is published`, {
        subject: wanted,
        remedy: `See "zlayer port ${name}" for those that are; ports are published when a container is created.`,
      });
    }
    if (options.json) return say(cli, formatJson(found));
    for (const port of found) {
      const prefix = wanted === undefined ? `${port.containerPort}/${port.protocol} -> ` : '';
      say(cli, `${prefix}${formatHostPort(port)}`);
    }
  });
}

type InspectOptions = CommonOptions & { type?: string };

export function inspectCommand(cli: Cli) {
  const command = newCommand('inspect <name...>', 'Show all that is known about containers or images, as JSON.').option(
    '--type <type>',
    'container or image',
  );
  return action(cli, command, async (names: string[], options: InspectOptions) => {
    await using runtime = await cli.supervised(options);
    const found = [];
    await using images = await cli.local(options);
    for (const name of names) found.push(await inspect({ runtime, images }, name, options));
    say(cli, formatJson(found));
  });
}

/** What a name of an image means is a matter of this process's environment. */
async function inspect(
  { runtime, images }: { runtime: Runtime; images: Runtime },
  name: string,
  { type }: InspectOptions,
): Promise<object> {
  if (type === 'image') return await images.inspectImage(name);
  try {
    const { id, instance } = await resolveContainer(runtime, name);
    const details = await runtime.inspectContainer({ ...id, instance });
    return { name: formatContainerId(id), ...details, ports: await runtime.portMappings({ ...id, instance }) };
  } catch (error) {
    if (type === 'container' || !isZlayerError(error) || error.code !== 'NOT_FOUND') throw error;
    return await images.inspectImage(name).catch(() => {
      throw new ZlayerError('NOT_FOUND', `there is no container and no image ${name}`, { subject: name });
    });
  }
}
