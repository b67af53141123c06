import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A program on a pseudo-terminal. */
export interface Terminal extends AsyncDisposable {
  readonly screen: string;
  type(text: string): void;
  resize(rows: number, columns: number): void;
  /** Resolves when it has been written; rejects when the program ends without it. */
  shows(text: string): Promise<void>;
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>;
}

/** Starts a program on a terminal of 24 rows and 80 columns. */
export function terminal(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Terminal {
  const child = spawn('python3', [join(import.meta.dirname, 'on-terminal.py'), '24', '80', ...argv], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    screen += text;
  });
  child.stdin.on('error', () => {});
  const closed = once(child, 'close');
  const send = (message: object): void => void child.stdin.write(`${JSON.stringify(message)}\n`);
  return {
    get screen() {
      return screen;
    },
    type: (text) => send({ type: text }),
    resize: (rows, columns) => send({ resize: [rows, columns] }),
    async shows(text) {
      while (!screen.includes(text)) {
        const isOver = await Promise.race([once(child.stdout, 'data').then(() => false), closed.then(() => true)]);
        if (isOver && !screen.includes(text)) throw new Error(`the program ended without ${text}: ${screen}`);
      }
    },
    ended: closed.then(() => child.exitCode),
    async [Symbol.asyncDispose]() {
      // The end of its input ends the program.
      child.stdin.end();
      await closed;
    },
  };
}
