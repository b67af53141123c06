import { pipeline } from 'node:stream/promises';
import { type ExecProcess, ZlayerError } from '@zlayer/runtime-core';
import type { Cli } from '../cli.ts';
import { append, type CommonOptions } from '../common-options.ts';
import { forwardSignals } from '../forward-signals.ts';
import { resolveContainer } from '../resolve-container.ts';
import { passInput } from '../session.ts';
import { followSize, rawMode, sizeOf } from '../terminal.ts';
import { action, newCommand } from './command.ts';
import { notATerminal } from './run.ts';

interface ExecOptions extends CommonOptions {
  interactive?: boolean;
  tty?: boolean;
  env?: string[];
  workdir?: string;
  user?: string;
}

const DEFAULT_SIZE = { columns: 80, rows: 24 };

export function execCommand(cli: Cli) {
  const command = newCommand('exec <container> <command...>', 'Run a command in a container that runs.')
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give it a terminal')
    .option('-e, --env <NAME=VALUE>', 'set a variable', append)
    .option('-w, --workdir <directory>', 'working directory in the container')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .passThroughOptions();
  return action(cli, command, async (name: string, argv: string[], options: ExecOptions) => {
    const { interactive = false, tty = false, workdir: cwd, user } = options;
    if (tty && interactive && !cli.stdin.isTTY) throw notATerminal();
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, name);
    const process = await runtime.execStream({ ...id, instance }, argv, {
      env: Object.fromEntries((options.env ?? []).map((text) => variable(cli, text))),
      cwd,
      user,
      tty: tty ? (sizeOf(cli.stdout) ?? DEFAULT_SIZE) : undefined,
    });
    return await converse(cli, process, { interactive, tty });
  });
}

async function converse(cli: Cli, started: ExecProcess, { interactive, tty }: { interactive: boolean; tty: boolean }) {
  await using process = started;
  using _raw = tty && interactive ? rawMode(cli) : undefined;
  using _size = tty ? followSize(cli.stdout, (size) => process.resize(size)) : undefined;
  using signals = forwardSignals((signal) => process.kill(signal));
  signals.started();
  const stop = new AbortController();
  const input = { write: (data: Uint8Array) => write(process, data), end: async () => void process.stdin.end() };
  if (interactive) void passInput(cli, [], { ...input, signal: stop.signal });
  else process.stdin.end();
  try {
    const copied = [
      pipeline(process.stdout, cli.stdout, { end: false }),
      pipeline(process.stderr, cli.stderr, { end: false }),
    ];
    const [result] = await Promise.all([process.exit, ...copied]);
    if (result.reason === 'runtime-error') throw new ZlayerError('INTERNAL', result.message);
    return result.exitCode;
  } finally {
    stop.abort();
    cli.stdin.pause();
  }
}

function write({ stdin }: ExecProcess, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stdin.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

function variable(cli: Cli, text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, cli.env[text] ?? ''] : [text.slice(0, at), text.slice(at + 1)];
}
