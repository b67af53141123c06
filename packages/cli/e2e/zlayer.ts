import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export const PROGRAM = join(import.meta.dirname, '..', 'dist', 'bin.js');

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A `zlayer` that runs, and what it has written so far. */
export interface Running extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when stdout contains the text; rejects when the program ends without it. */
  printed(text: string): Promise<void>;
  finished(): Promise<Finished>;
}

/** Starts the built command, as a user would. */
export function zlayer(args: readonly string[], env: NodeJS.ProcessEnv = {}, program = PROGRAM): Running {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk) => {
      text[name] += chunk;
    });
  }
  const closed = once(child, 'close');
  return {
    process: child,
    get stdout() {
      return text.stdout;
    },
    get stderr() {
      return text.stderr;
    },
    async printed(wanted) {
      while (!text.stdout.includes(wanted)) {
        const ended = await Promise.race([once(child.stdout, 'data').then(() => false), closed.then(() => true)]);
        if (ended && !text.stdout.includes(wanted)) throw new Error(`zlayer ended without ${wanted}: ${text.stderr}`);
      }
    },
    async finished() {
      await closed;
      return { code: child.exitCode, ...text };
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await closed;
    },
  };
}
