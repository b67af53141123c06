import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, type ReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a shell of the host says when it waits for a line. */
const PROMPT = 'host-ready> ';
const PATIENCE_MS = 30_000;

/** A window of tmux with a shell in it, and a user who types there. Everything is waited for by what the window shows. */
export class Tmux implements AsyncDisposable {
  readonly #directory: string;
  readonly #output: ReadStream;
  #text = '';
  /** What was written before this was looked at already. */
  #seen = 0;

  private constructor(directory: string, output: ReadStream) {
    this.#directory = directory;
    this.#output = output;
    output.setEncoding('utf8').on('data', (text) => {
      this.#text += text;
    });
  }

  /** Opens a window of 80 columns and 24 rows, whose shell has these variables. */
  static async open(env: NodeJS.ProcessEnv): Promise<Tmux> {
    const directory = await mkdtemp(join(tmpdir(), 'zlayer-tmux-'));
    const pipe = join(directory, 'output');
    await run('mkfifo', [pipe]);
    const output = createReadStream(pipe);
    const window = new Tmux(directory, output);
    try {
      // A server of its own: it knows nothing of those of the machine, and gets the environment of this call.
      const session = ['new-session', '-d', '-x', '80', '-y', '24', 'cat >/dev/null'];
      await window.#tmux(['-f', '/dev/null', ...session], { ...process.env, ...env, TMUX: '' });
      await window.#tmux(['pipe-pane', `exec cat >'${pipe}'`]);
      await window.#tmux(['respawn-pane', '-k', `exec env PS1='${PROMPT}' sh`]);
      await window.prompt();
      return window;
    } catch (error) {
      await window[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All that was written, with its control sequences. */
  get text(): string {
    return this.#text;
  }

  /** Types text and Return. */
  async line(text: string): Promise<void> {
    this.#seen = this.#text.length;
    await this.#tmux(['send-keys', '-l', text]);
    await this.#tmux(['send-keys', 'Enter']);
  }

  /** Presses keys such as `C-c`, one after the other, so that each is a read of its own. */
  async press(...keys: string[]): Promise<void> {
    this.#seen = this.#text.length;
    for (const key of keys) await this.#tmux(['send-keys', key]);
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.#seen = this.#text.length;
    await this.#tmux(['resize-window', '-x', `${columns}`, '-y', `${rows}`]);
  }

  /** What the window has shown since something was done last, when it matches; what comes later is looked at next. */
  async shows(pattern: RegExp, { patienceMs = PATIENCE_MS } = {}): Promise<RegExpExecArray> {
    const late = AbortSignal.timeout(patienceMs);
    for (;;) {
      const match = pattern.exec(this.#text.slice(this.#seen));
      if (match) {
        this.#seen += match.index + match[0].length;
        return match;
      }
      await once(this.#output, 'data', { signal: late }).catch((cause: unknown) => {
        throw new Error(`nothing like ${pattern} came in time: ${JSON.stringify(this.#text.slice(-2000))}`, { cause });
      });
    }
  }

  /** The shell of the host waits for a line. */
  async prompt(): Promise<void> {
    await this.shows(new RegExp(PROMPT));
  }

  /** What a line of the shell of the host writes. */
  async ask(line: string): Promise<string> {
    await this.line(`echo "<""<$(${line})>"">"`);
    const [, answer = ''] = await this.shows(/<<([\s\S]*?)>>/);
    await this.prompt();
    return answer;
  }

  /** Everything that programs can set of the terminal. */
  async modes(): Promise<string> {
    return await this.ask('stty -a');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux(['kill-server']).catch(() => {});
    this.#output.destroy();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #tmux(args: string[], env?: NodeJS.ProcessEnv): Promise<void> {
    await run('tmux', ['-S', join(this.#directory, 'tmux'), ...args], { env, timeout: 10_000 });
  }
}
