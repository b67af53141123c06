import { pipeline } from 'node:stream/promises';
import { type ExecProcess, formatContainerId, ZlayerError } from '@zlayer/runtime-core';
import { type Cli, say } from '../cli.ts';
import { append, type CommonOptions } from '../common-options.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys, withDetachKeys } from '../detach-keys.ts';
import { formatJson } from '../format/json.ts';
import { forwardSignals } from '../forward-signals.ts';
import { resolveContainer } from '../resolve-container.ts';
import { passInput } from '../session.ts';
import { followSize, rawMode, sizeOf } from '../terminal.ts';
import { action, newCommand } from './command.ts';
import { notATerminal } from './run.ts';

interface ExecOptions extends CommonOptions {
  detach?: boolean;
  detachKeys?: string;
  interactive?: boolean;
  tty?: boolean;
  env?: string[];
  workdir?: string;
  user?: string;
}

const DEFAULT_SIZE = { columns: 80, rows: 24 };

export function execCommand(cli: Cli) {
  const command = newCommand('exec <container> <command...>', 'Run a command in a container that runs.')
    .option('-d, --detach', 'leave it to itself once it runs; what it writes is not kept')
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give it a terminal')
    .option('-e, --env <NAME=VALUE>', 'set a variable', append)
    .option('-w, --workdir <directory>', 'working directory in the container')
    .option('-u, --user <user>', 'user, uid, user:group or uid:gid')
    .passThroughOptions();
  withDetachKeys(command);
  return action(cli, command, async (name: string, argv: string[], options: ExecOptions) => {
    const { detach = false, interactive = false, tty = false, workdir: cwd, user } = options;
    if (tty && interactive && !detach && !cli.stdin.isTTY) throw notATerminal();
    const keys = tty && interactive ? parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS) : [];
    await using runtime = await cli.supervised(options);
    const { id, instance } = await resolveContainer(runtime, name);
    const process = await runtime.execStream({ ...id, instance }, argv, {
      env: Object.fromEntries((options.env ?? []).map((text) => variable(cli, text))),
      cwd,
      user,
      tty: tty ? (sizeOf(cli.stdout) ?? DEFAULT_SIZE) : undefined,
    });
    // One that could not be started says why, like one that is attended.
    if (!detach || !process.hasStarted) return await converse(cli, process, { keys, interactive, tty });
    await using left = process;
    await left.detach();
    if (options.json) say(cli, formatJson({ name: formatContainerId(id), instance }));
    return 0;
  });
}

interface Attendance {
  /** What leaves the process to itself when it is typed. */
  keys: readonly number[];
  interactive: boolean;
  tty: boolean;
}

/** Resolves to the exit code; 0 when the user has left. */
async function converse(cli: Cli, started: ExecProcess, { keys, interactive, tty }: Attendance): Promise<number> {
  await using process = started;
  using _raw = tty && interactive ? rawMode(cli) : undefined;
  using _size = tty ? followSize(cli.stdout, (size) => process.resize(size)) : undefined;
  using signals = forwardSignals((signal) => process.kill(signal));
  signals.started();
  const stop = new AbortController();
  const input = { write: (data: Uint8Array) => write(process, data), end: async () => void process.stdin.end() };
  const left = interactive
    ? passInput(cli, keys, { ...input, signal: stop.signal })
    : new Promise<boolean>(() => process.stdin.end());
  const ended = finish(cli, process);
  const over = ended.then(
    () => false,
    () => false,
  );
  try {
    const isDetached = await Promise.race([over, left.then((isDetached) => isDetached || over)]);
    if (!isDetached) return await ended;
    await process.detach();
    return 0;
  } finally {
    stop.abort();
    cli.stdin.pause();
  }
}

async function finish(cli: Cli, { stdout, stderr, exit }: ExecProcess): Promise<number> {
  const copied = [pipeline(stdout, cli.stdout, { end: false }), pipeline(stderr, cli.stderr, { end: false })];
  const [result] = await Promise.all([exit, ...copied]);
  if (result.reason === 'runtime-error') throw new ZlayerError('INTERNAL', result.message);
  return result.exitCode;
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
