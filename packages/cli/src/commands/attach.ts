import { type ContainerInstance, type Runtime, ZlayerError } from '@zlayer/runtime-core';
import type { Cli } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { withDetachKeys } from '../detach-keys.ts';
import { forwardSignals } from '../forward-signals.ts';
import { resolveContainer } from '../resolve-container.ts';
import { converse } from '../session.ts';
import { action, newCommand } from './command.ts';

export interface AttachOptions extends CommonOptions {
  stdin?: boolean;
  sigProxy?: boolean;
  detachKeys?: string;
}

export function attachCommand(cli: Cli) {
  const command = newCommand('attach <container>', 'Connect this terminal with a container that runs.')
    .option('--no-stdin', 'pass no input on')
    .option('--no-sig-proxy', 'keep signals to oneself');
  withDetachKeys(command);
  return action(cli, command, async (name: string, options: AttachOptions) => {
    await using runtime = await cli.supervised(options);
    const { id, instance, state } = await resolveContainer(runtime, name);
    if (state.status !== 'running') {
      throw new ZlayerError('CONFLICT', `the container ${name} is not running`, { subject: name });
    }
    return await attach(cli, runtime, { ...id, instance }, options);
  });
}

/** Is attached until the container has ended. `begin` is done once nothing of its output can be missed any more. */
export async function attach(
  cli: Cli,
  runtime: Runtime,
  container: ContainerInstance,
  { stdin = true, sigProxy = true, detachKeys }: AttachOptions,
  begin: () => Promise<unknown> = async () => {},
): Promise<number> {
  const { spec } = await runtime.inspectContainer(container);
  const output = runtime.attachContainer(container);
  const ended = runtime.waitContainer(container, { condition: 'next-exit' });
  ended.catch(() => {});
  await begin();
  using signals = sigProxy ? forwardSignals((signal) => runtime.killContainer(container, signal)) : undefined;
  signals?.started();
  const session = { input: stdin && spec.openStdin, tty: spec.tty, detachKeys };
  const end = await converse(cli, runtime, container, { output, ended }, session);
  if (end.detached) return 0;
  if (end.result.reason === 'runtime-error') throw new ZlayerError('INTERNAL', end.result.message);
  return end.result.exitCode;
}
