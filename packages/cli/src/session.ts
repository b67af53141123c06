import type { ContainerInstance, ExitResult, OutputChunk, Runtime } from '@zlayer/runtime-core';
import type { Cli } from './cli.ts';
import { copyOutput } from './copy-output.ts';
import { DEFAULT_DETACH_KEYS, DetachKeys, parseDetachKeys } from './detach-keys.ts';
import { followSize, rawMode } from './terminal.ts';

export interface SessionOptions {
  /** Pass standard input on. */
  input: boolean;
  /** The container has a terminal. */
  tty: boolean;
  detachKeys?: string | undefined;
}

/** How a session with a container ended. */
export type SessionEnd = { detached: true } | { detached: false; result: ExitResult };

/** Connects this process's terminal or streams with a container that runs, until it has ended or the user detaches. */
export async function converse(
  cli: Cli,
  runtime: Runtime,
  container: ContainerInstance,
  streams: { output: AsyncIterable<OutputChunk>; ended: Promise<ExitResult> },
  { input, tty, detachKeys = DEFAULT_DETACH_KEYS }: SessionOptions,
): Promise<SessionEnd> {
  const isTerminal = tty && cli.stdin.isTTY === true;
  using _raw = isTerminal && input ? rawMode(cli) : undefined;
  using _size = tty ? followSize(cli.stdout, (size) => runtime.resizeTerminal(container, size)) : undefined;
  const stop = new AbortController();
  const detached = input
    ? passInput(cli, parseDetachKeys(isTerminal ? detachKeys : ''), {
        write: (data) => runtime.writeStdin(container, data, { signal: stop.signal }),
        end: () => runtime.closeStdin(container),
        signal: stop.signal,
      })
    : new Promise<boolean>(() => {});
  const finished = copyOutput(cli, streams.output).then(async (): Promise<SessionEnd> => {
    return { detached: false, result: await streams.ended };
  });
  try {
    const left = detached.then((isDetached) => (isDetached ? ({ detached: true } as const) : finished));
    return await Promise.race([finished, left]);
  } finally {
    stop.abort();
    finished.catch(() => {});
    cli.stdin.pause();
  }
}

/** Passes standard input on to its end. Resolves to whether the user has detached. */
export async function passInput(
  { stdin }: Pick<Cli, 'stdin'>,
  keys: readonly number[],
  to: { write(data: Uint8Array): Promise<void>; end(): Promise<void>; signal: AbortSignal },
): Promise<boolean> {
  const detach = new DetachKeys(keys);
  const over = Promise.withResolvers<boolean>();
  // A workload that reads no more, or has ended, is no failure of whoever types.
  const giveUp = (): void => over.resolve(false);
  // Events, not iteration: a read that waits for a key would keep this process alive.
  const take = (chunk: Uint8Array): void => {
    const { data, isDetached } = detach.take(Buffer.from(chunk));
    stdin.pause();
    const written = data.byteLength > 0 ? to.write(data) : Promise.resolve();
    written.then(() => {
      if (isDetached) over.resolve(true);
      else if (!to.signal.aborted) stdin.resume();
    }, giveUp);
  };
  const end = (): void => void to.end().then(giveUp, giveUp);
  stdin.on('data', take).once('end', end).once('error', giveUp);
  to.signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await over.promise;
  } finally {
    stdin.off('data', take).off('end', end).off('error', giveUp).pause();
    to.signal.removeEventListener('abort', giveUp);
  }
}
