import { formatContainerId } from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import { append, type CommonOptions } from '../common-options.ts';
import { ContainerActions } from '../container-actions.ts';
import { parseEventFilter } from '../event-filter.ts';
import { formatJsonLine } from '../format/json.ts';
import { printable } from '../format/table.ts';
import { forwardSignals } from '../forward-signals.ts';
import { action, newCommand } from './command.ts';
import { timeOf } from './logs.ts';

type EventsOptions = CommonOptions & { since?: string; until?: string; filter?: string[] };

export function eventsCommand(cli: Cli) {
  const command = newCommand('events', 'Show what happens to containers, whoever does it, until Ctrl-C.')
    .option('--since <time>', 'begin with what has happened since then: RFC 3339, seconds since 1970, or 10m')
    .option('--until <time>', 'end then')
    .option('-f, --filter <key=value>', 'only those of a container, an event or a type; may be repeated', append);
  return action(cli, command, async (options: EventsOptions) => {
    const passes = parseEventFilter(options.filter ?? []);
    const [since, until] = [timeOf(options.since), timeOf(options.until)];
    const actions = new ContainerActions();
    // Events come by way of the disk: for them no supervisor needs to be there, or to stay.
    await using runtime = await cli.local(options);
    using signals = forwardSignals(async () => {});
    try {
      for await (const event of runtime.events({ since, until, signal: signals.signal })) {
        const { time, type, container, ...rest } = event;
        const { instance, ...id } = container;
        const name = formatContainerId(id);
        const done = actions.of(event);
        if (!passes({ name, instance, type, action: done?.action })) continue;
        if (options.json) {
          say(cli, formatJsonLine({ time, type, action: done?.action, name, container, ...rest }));
        } else if (done) {
          const attributes = Object.entries({ ...done.attributes, name }).map(([key, value]) => `${key}=${value}`);
          say(cli, printable(`${time.toISOString()} container ${done.action} ${instance} (${attributes.join(', ')})`));
        }
      }
    } catch (error) {
      if (signals.interrupted === undefined) throw error;
    }
  });
}
