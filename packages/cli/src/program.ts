import { createRequire } from 'node:module';
import { PULL_POLICIES } from '@zlayer/runtime-core';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT_USAGE, report } from './failure.ts';
import { type RunOptions, run } from './run.ts';

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** `NAME=VALUE`, or `NAME` alone to pass on the variable of this process. Later ones win. */
function addVariable(assignment: string, variables: Record<string, string> = {}): Record<string, string> {
  const equals = assignment.indexOf('=');
  const name = equals < 0 ? assignment : assignment.slice(0, equals);
  if (name === '') throw new InvalidArgumentError('Write NAME=VALUE, or NAME alone to pass a variable on.');
  const value = equals < 0 ? process.env[name] : assignment.slice(equals + 1);
  return value === undefined ? variables : { ...variables, [name]: value };
}

function positiveNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !(number > 0) || !Number.isFinite(number)) {
    throw new InvalidArgumentError('Write a number above 0.');
  }
  return number;
}

const addTo = (value: string, list: string[] = []): string[] => [...list, value];

/** The command line of `zlayer`. */
export function program(): Command {
  const zlayer = new Command('zlayer')
    .description('Run containers, each in a virtual machine of its own.')
    .version(version)
    .enablePositionalOptions()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE));
  zlayer
    .command('run')
    .description('Run a command in a new container; end with its exit code.')
    .argument('<image>', 'image reference, such as alpine or host:5000/name:tag')
    .argument('[command...]', "what to run instead of the image's own command")
    .option('-c, --cpus <number>', 'CPUs of the guest', positiveNumber)
    .option('-m, --memory <size>', 'memory of the guest, such as 512Mi or 2Gi')
    .option('-e, --env <NAME=VALUE>', 'set a variable; may be repeated', addVariable)
    .option('-w, --workdir <directory>', 'working directory in the container')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .option('--entrypoint <program>', "replace the image's entrypoint")
    .option('--platform <platform>', 'linux/amd64 or linux/arm64')
    .option('--stop-signal <signal>', 'what asks the command to end')
    .addOption(new Option('--pull <policy>', 'when to pull').choices(PULL_POLICIES).default('ifNotPresent'))
    .option('--insecure-registry <host>', 'speak plain HTTP to this registry; may be repeated', addTo)
    .option('--data-dir <directory>', 'where images and containers are kept (default: $ZLAYER_DATA_DIR)')
    .option('-q, --quiet', 'show no pull progress')
    .passThroughOptions()
    .action(async (image: string, command: string[], options: RunOptions) => {
      process.exitCode = await run(image, command, options).catch(report);
    });
  return zlayer;
}
