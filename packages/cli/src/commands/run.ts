import { type ContainerInstance, formatContainerId, type Runtime, ZlayerError } from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import { withRegistryOptions } from '../common-options.ts';
import { withDetachKeys } from '../detach-keys.ts';
import { formatJson } from '../format/json.ts';
import { forwardSignals } from '../forward-signals.ts';
import { type ContainerOptions, prepareContainer, readSpec } from '../prepare-container.ts';
import { converse } from '../session.ts';
import { withSpecOptions } from '../spec-options.ts';
import { start } from '../start.ts';
import { action, newCommand } from './command.ts';

type RunOptions = ContainerOptions & { detach?: boolean; detachKeys?: string };

export function runCommand(cli: Cli) {
  const command = newCommand('run <image> [command...]', 'Run a command in a new container; end with its exit code.')
    .option('-d, --detach', 'leave it to the supervisor and print its name')
    .passThroughOptions()
    .helpOption('--help', 'display help for command');
  withRegistryOptions(withDetachKeys(withSpecOptions(command)));
  const run = (image: string, args: string[], options: RunOptions): Promise<number> =>
    options.detach ? runDetached(cli, image, args, options) : runHere(cli, image, args, options);
  return action(cli, command, run, { runs: true });
}

async function runDetached(cli: Cli, image: string, args: string[], options: RunOptions): Promise<number> {
  const spec = await readSpec(cli, image, args, options, 'keep');
  await using images = await cli.local(options);
  await using owner = await cli.supervised(options);
  const container = await prepareContainer(cli, { images, owner }, spec, options);
  await startOrRemove(cli, owner, container, options);
  const name = formatContainerId(container);
  say(cli, options.json ? formatJson({ name, instance: container.instance }) : name);
  return 0;
}

/** The container belongs to this process and ends with it, unless the user detaches. */
async function runHere(cli: Cli, image: string, args: string[], options: RunOptions): Promise<number> {
  const { interactive: input = false, tty = false, detachKeys } = options;
  if (tty && input && !cli.stdin.isTTY) throw notATerminal();
  const canDetach = tty && input;
  const spec = await readSpec(cli, image, args, options, canDetach ? 'keep' : 'stop');
  const runtime = await cli.local(options);
  let container: ContainerInstance | undefined;
  let isDetached = false;
  const leave = new AbortController();
  using signals = forwardSignals(async (signal) => {
    if (container) await runtime.killContainer(container, signal);
  });
  const { signal } = signals;
  try {
    container = await prepareContainer(cli, { images: runtime, owner: runtime }, spec, { ...options, signal });
    const output = runtime.attachContainer(container, { signal: leave.signal });
    const ended = runtime.waitContainer(container, { condition: 'next-exit' });
    ended.catch(() => {});
    await startOrRemove(cli, runtime, container, { ...options, signal });
    signals.started();
    const end = await converse(cli, runtime, container, { output, ended }, { input, tty, detachKeys });
    if (end.detached) {
      isDetached = true;
      return 0;
    }
    if (end.result.reason === 'runtime-error') {
      throw new ZlayerError('INTERNAL', end.result.message, { subject: image });
    }
    return end.result.exitCode;
  } catch (error) {
    if (signals.interrupted !== undefined) return 128 + signals.interrupted;
    throw error;
  } finally {
    // What nobody reads any more must not hold the container up.
    leave.abort();
    if (container && !isDetached) await putAway(runtime, container, options);
    await runtime.close();
    // What goes on needs an owner.
    if (isDetached) await (await cli.supervised(options)).close();
  }
}

/** One that cannot be started is of no use to anybody who asked for it to be removed. */
async function startOrRemove(
  cli: Cli,
  runtime: Runtime,
  container: ContainerInstance,
  { rm, json, signal }: { rm?: boolean; json?: boolean; signal?: AbortSignal },
): Promise<void> {
  try {
    await start(cli, runtime, container, { json, signal });
  } catch (error) {
    if (rm) await runtime.removeContainer(container, { force: true }).catch(() => {});
    throw error;
  }
}

async function putAway(runtime: Runtime, container: ContainerInstance, { rm }: RunOptions): Promise<void> {
  if (rm) await runtime.removeContainer(container, { force: true });
  else await runtime.stopContainer(container, { timeoutMs: 0 });
}

export function notATerminal(): ZlayerError {
  return new ZlayerError('INVALID_SPEC', 'standard input is not a terminal', {
    remedy: 'Leave out --tty, or run it on a terminal.',
  });
}
