import { once } from 'node:events';
import { parseDuration, ZlayerError } from '@zlayer/runtime-core';
import { InvalidArgumentError } from 'commander';
import type { Cli } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { formatJsonLine } from '../format/json.ts';
import { resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

interface LogsOptions extends CommonOptions {
  follow?: boolean;
  tail?: number;
  timestamps?: boolean;
  since?: string;
  until?: string;
}

export function logsCommand(cli: Cli) {
  const command = newCommand('logs <container>', 'Show what a container has written.')
    .option('-f, --follow', 'go on until it has ended')
    .option('-n, --tail <lines>', 'only the last lines, or "all"', tail)
    .option('-t, --timestamps', 'show when each line was written')
    .option('--since <time>', 'RFC 3339, seconds since 1970, or how long ago: 10m')
    .option('--until <time>', 'only what was written before');
  return action(cli, command, async (name: string, options: LogsOptions) => {
    const { follow, timestamps, json } = options;
    const [since, until] = [timeOf(options.since), timeOf(options.until)];
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, name);
    for await (const { stream, data, time } of runtime.logsStream(
      { ...id, instance },
      { follow, tail: options.tail, since, until },
    )) {
      const bytes = Buffer.from(data);
      const line = json ? `${formatJsonLine({ log: bytes.toString(), stream, time })}\n` : bytes;
      const target = json ? cli.stdout : cli[stream];
      if (timestamps && !json) target.write(`${time.toISOString()} `);
      if (!target.write(line)) await once(target, 'drain');
    }
  });
}

function tail(text: string): number | undefined {
  if (text === 'all') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a number of lines, or "all".');
}

/** A moment as Docker takes them. */
export function timeOf(text: string | undefined, now: number = Date.now()): Date | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,12}(?:\.\d{1,9})?$/.test(text)) return new Date(Number(text) * 1000);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : undefined;
  if (time && !Number.isNaN(time.getTime())) return time;
  if (time === undefined) return new Date(now - parseDuration(text));
  throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(text)} is not a time`, { subject: text });
}
