import { Command } from 'commander';
import type { Cli } from './cli.ts';
import { attachCommand } from './commands/attach.ts';
import type { CommandFactory } from './commands/command.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { cpCommand } from './commands/cp.ts';
import { createCommand } from './commands/create.ts';
import { doctorCommand, versionCommand } from './commands/doctor.ts';
import { eventsCommand } from './commands/events.ts';
import { execCommand } from './commands/exec.ts';
import * as images from './commands/images.ts';
import * as lifecycle from './commands/lifecycle.ts';
import { logsCommand } from './commands/logs.ts';
import * as look from './commands/look.ts';
import { psCommand } from './commands/ps.ts';
import { runCommand } from './commands/run.ts';
import { startCommand } from './commands/start.ts';
import { statsCommand } from './commands/stats.ts';
import { waitCommand } from './commands/wait.ts';
import { EXIT_USAGE } from './failure.ts';
import { packageVersion } from './version.ts';

const COMMANDS: readonly CommandFactory[] = [
  runCommand,
  createCommand,
  startCommand,
  lifecycle.stopCommand,
  lifecycle.killCommand,
  lifecycle.rmCommand,
  psCommand,
  execCommand,
  logsCommand,
  attachCommand,
  statsCommand,
  look.topCommand,
  cpCommand,
  look.portCommand,
  look.inspectCommand,
  eventsCommand,
  waitCommand,
  lifecycle.renameCommand,
  lifecycle.pauseCommand,
  lifecycle.unpauseCommand,
  images.pullCommand,
  images.pushCommand,
  images.imagesCommand,
  images.rmiCommand,
  images.tagCommand,
  images.saveCommand,
  images.loadCommand,
  images.pruneCommand,
  doctorCommand,
  versionCommand,
  completionCommand,
];

/** The command line of `zlayer`. */
export function program(cli: Cli): Command {
  const zlayer = new Command('zlayer')
    .description('Run containers, each in a virtual machine of its own.')
    .version(packageVersion)
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => void cli.stdout.write(text),
      writeErr: (text) => void cli.stderr.write(text),
    });
  for (const create of COMMANDS) zlayer.addCommand(create(cli));
  zlayer.addCommand(completeCommand(cli), { hidden: true });
  // What is wrong with a command line is no exit code of a workload.
  for (const command of [zlayer, ...zlayer.commands]) {
    command.copyInheritedSettings(zlayer).exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE));
  }
  return zlayer;
}
