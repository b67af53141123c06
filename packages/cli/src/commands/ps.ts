import {
  type ContainerDetails,
  formatContainerId,
  isActive,
  isZlayerError,
  type PublishedPort,
  type Runtime,
} from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import { append, type CommonOptions } from '../common-options.ts';
import { type ContainerFilter, parseContainerFilter } from '../container-filter.ts';
import { formatAge } from '../format/age.ts';
import { formatJson } from '../format/json.ts';
import { formatPorts } from '../format/ports.ts';
import { formatStatus } from '../format/status.ts';
import { formatTable } from '../format/table.ts';
import { action, newCommand } from './command.ts';

type PsOptions = CommonOptions & { all?: boolean; quiet?: boolean; trunc: boolean; filter?: string[] };
type Row = ContainerDetails & { ports: PublishedPort[] };

const SHORT_ID = 12;

export function psCommand(cli: Cli) {
  const command = newCommand('ps', 'List containers.')
    .option('-a, --all', 'also those that do not run')
    .option('-f, --filter <key=value>', 'only those with this id, name, label or status (repeatable)', append)
    .option('-q, --quiet', 'only the instance ids')
    .option('--no-trunc', 'whole ids');
  return action(cli, command, async (options: PsOptions) => {
    const filter = parseContainerFilter(options.filter ?? []);
    await using runtime = await cli.supervised(options);
    const rows = await readRows(runtime, filter, options.all === true || filter.asksForStatus);
    if (options.json)
      return say(cli, formatJson(rows.map(({ spec: _, ...row }) => ({ name: formatContainerId(row.id), ...row }))));
    const idOf = ({ instance }: Row): string => (options.trunc ? instance.slice(0, SHORT_ID) : instance);
    if (options.quiet) {
      for (const row of rows) say(cli, idOf(row));
      return;
    }
    const head = ['CONTAINER ID', 'IMAGE', 'CREATED', 'STATUS', 'PORTS', 'NAMES'];
    const cells = rows.map((row) => [
      idOf(row),
      row.image,
      formatAge(row.createdAt),
      formatStatus(row),
      formatPorts(row.ports),
      formatContainerId(row.id),
    ]);
    say(cli, formatTable(head, cells));
  });
}

/** The newest first. What is removed meanwhile is left out. */
async function readRows(runtime: Runtime, filter: ContainerFilter, all: boolean): Promise<Row[]> {
  const listed = (await runtime.listContainers()).filter(({ state }) => all || isActive(state.status));
  const rows = await Promise.all(
    listed.map(async ({ id, instance }): Promise<Row[]> => {
      const container = { ...id, instance };
      try {
        const details = await runtime.inspectContainer(container);
        if (!filter.matches(details)) return [];
        const hasPorts = details.spec.ports.length > 0;
        return [{ ...details, ports: hasPorts ? await runtime.portMappings(container) : [] }];
      } catch (error) {
        if (isZlayerError(error) && ['NOT_FOUND', 'CONFLICT'].includes(error.code)) return [];
        throw error;
      }
    }),
  );
  return rows.flat().sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime());
}
