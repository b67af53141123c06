import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { type CommonOptions, withCommonOptions } from '../common-options.ts';
import { type ReportOptions, reportError } from '../failure.ts';

/** Makes one command of the program. */
export type CommandFactory = (cli: Cli) => Command;

/** A command with the options that all have. */
export function newCommand(usage: string, description: string): Command {
  const [name = '', ...args] = usage.split(' ');
  const command = withCommonOptions(new Command(name).description(description));
  for (const arg of args) command.argument(arg);
  return command;
}

/** Makes what a command does its action; a number that it gives is the exit code, else that is 0. */
export function action<Args extends unknown[]>(
  cli: Cli,
  command: Command,
  act: (...args: Args) => Promise<unknown>,
  options: Pick<ReportOptions, 'runs'> = {},
): Command {
  return command.action(async (...args: unknown[]) => {
    const { json } = command.opts<CommonOptions>();
    const failed = (error: unknown): number => reportError(cli, error, { json, ...options });
    const code = await act(...(args as Args)).catch(failed);
    process.exitCode = typeof code === 'number' ? code : 0;
  });
}
