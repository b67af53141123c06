import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A Node program of this folder in a process of its own, killed at the end of its scope. */
export class NodeProcess implements AsyncDisposable {
  readonly process: ChildProcess;
  /** What it has printed first. */
  readonly line: string;

  private constructor(process: ChildProcess, line: string) {
    this.process = process;
    this.line = line;
  }

  /** Starts it and waits for its first line. */
  static async start(script: string, ...args: string[]): Promise<NodeProcess> {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const child = spawn(process.execPath, ['--no-warnings', path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown];
    return new NodeProcess(child, String(line));
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exit = once(this.process, 'exit');
    this.process.kill(signal);
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
