import { setTimeout as delay } from 'node:timers/promises';
import { type ContainerStats, type ContainerSummary, formatContainerId, isZlayerError } from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { formatBytes } from '../format/bytes.ts';
import { formatJsonLine } from '../format/json.ts';
import { formatTable } from '../format/table.ts';
import { forwardSignals } from '../forward-signals.ts';
import { resolveContainer } from '../resolve-container.ts';
import { action, newCommand } from './command.ts';

type StatsOptions = CommonOptions & { stream: boolean };
type Sample = { name: string; instance: string } & ContainerStats;

const INTERVAL_MS = 1000;
const HEAD = ['CONTAINER ID', 'NAME', 'CPU %', 'MEM USAGE / LIMIT', 'MEM %', 'NET I/O', 'BLOCK I/O', 'PIDS'];

export function statsCommand(cli: Cli) {
  const command = newCommand('stats [container...]', 'Show what containers use, until Ctrl-C.').option(
    '--no-stream',
    'show it once',
  );
  return action(cli, command, async (names: string[], options: StatsOptions) => {
    await using runtime = await cli.supervised(options);
    using signals = forwardSignals(async () => {});
    const running = async (): Promise<ContainerSummary[]> =>
      (await runtime.listContainers()).filter(({ state }) => state.status === 'running');
    let before: ReadonlyMap<string, ContainerStats> | undefined;
    for (;;) {
      const wanted =
        names.length === 0 ? await running() : await Promise.all(names.map((name) => resolveContainer(runtime, name)));
      const samples: Sample[] = [];
      for (const { id, instance } of wanted) {
        const name = formatContainerId(id);
        const sample = await runtime.getContainerStats({ ...id, instance }).catch((error: unknown) => {
          // One of all that run may have ended by now.
          if (names.length === 0 && isZlayerError(error) && ['NOT_FOUND', 'CONFLICT'].includes(error.code))
            return undefined;
          throw error;
        });
        if (sample) samples.push({ name, instance, ...sample });
      }
      // A share of a CPU takes two samples to tell.
      const isFirst = before === undefined;
      if (options.stream || options.json || !isFirst) show(cli, samples, before, options);
      if (!options.stream && (options.json || !isFirst)) return;
      before = new Map(samples.map((sample) => [sample.instance, sample]));
      await delay(INTERVAL_MS, undefined, { signal: signals.signal }).catch(() => {});
      if (signals.signal.aborted) return;
    }
  });
}

function show(
  cli: Cli,
  samples: Sample[],
  before: ReadonlyMap<string, ContainerStats> | undefined,
  { json, stream }: StatsOptions,
) {
  if (json) {
    for (const sample of samples) say(cli, formatJsonLine(sample));
    return;
  }
  if (stream && cli.stdout.isTTY) cli.stdout.write('\x1b[H\x1b[J');
  say(
    cli,
    formatTable(
      HEAD,
      samples.map((sample) => row(sample, before?.get(sample.instance))),
    ),
  );
}

/** What was not measured is shown as `--`, never as 0. */
function row(sample: Sample, before: ContainerStats | undefined): string[] {
  const { instance, name, memoryBytes, memoryLimitBytes, processes } = sample;
  const pair = (one: number | undefined, other: number | undefined): string => `${bytes(one)} / ${bytes(other)}`;
  return [
    instance.slice(0, 12),
    name,
    cpuPercent(sample, before),
    pair(memoryBytes, memoryLimitBytes),
    memoryBytes === undefined || !memoryLimitBytes ? '--' : `${((100 * memoryBytes) / memoryLimitBytes).toFixed(2)}%`,
    pair(sample.networkReceivedBytes, sample.networkSentBytes),
    pair(sample.blockReadBytes, sample.blockWriteBytes),
    processes === undefined ? '--' : `${processes}`,
  ];
}

const bytes = (amount: number | undefined): string => (amount === undefined ? '--' : formatBytes(amount));

/** Of one CPU, between two samples. */
export function cpuPercent(sample: ContainerStats, before: ContainerStats | undefined): string {
  if (sample.cpuTimeNs === undefined || before?.cpuTimeNs === undefined) return '--';
  const elapsed = (sample.time.getTime() - before.time.getTime()) * 1e6;
  return elapsed > 0 ? `${((100 * Number(sample.cpuTimeNs - before.cpuTimeNs)) / elapsed).toFixed(2)}%` : '--';
}
