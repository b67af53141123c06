import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostConfig, HostProgram } from '../src/host-config.ts';
import type { HostProcess } from '../src/host-process.ts';
import { launchHost } from '../src/launch-host.ts';

const MARK = 'ZLAYER_HOST_TEST';

/** A folder for one test, and every process that the test starts in it, however it detaches itself. */
export class HostFixture implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'zh-'));
  readonly id = randomUUID();
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  get env(): NodeJS.ProcessEnv {
    const sanitizer = `log_path=${this.path('sanitizer')}:exitcode=99:detect_leaks=1`;
    return { ...process.env, [MARK]: this.id, ASAN_OPTIONS: sanitizer, UBSAN_OPTIONS: sanitizer };
  }

  get program(): string {
    return this.#program;
  }

  /** A configuration whose main is a shell script that writes to `main.log`. */
  config(script: string, rest: Partial<HostConfig> = {}): HostConfig {
    return {
      statusFile: this.path('status.json'),
      controlSocket: this.path('control.sock'),
      onOwnerExit: 'stop',
      stopGraceMs: 2000,
      startTimeoutMs: 10_000,
      main: this.shell('main', script),
      ...rest,
    };
  }

  shell(name: string, script: string): HostProgram {
    return { name, argv: ['/bin/sh', '-c', script], log: this.path(`${name}.log`) };
  }

  /** A helper that listens on a Unix socket and answers `hello` to every connection. */
  server(name: string, socket: string): HostProgram {
    const code = `setTimeout(() => require('net').createServer((c) => c.end('hello\\n')).listen(process.argv[1]), 20)`;
    return { name, argv: [process.execPath, '-e', code, socket], log: this.path(`${name}.log`) };
  }

  launch(config: HostConfig, signal?: AbortSignal): Promise<HostProcess> {
    return launchHost(config, { program: this.#program, env: this.env, signal });
  }

  /** Makes the run directory of this test. */
  async runDirectory(): Promise<string> {
    const path = this.path('run');
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  async log(name: string): Promise<string> {
    return await readFile(this.path(`${name}.log`), 'utf8');
  }

  /** The pids of what this test has started and what still runs. */
  processes(): number[] {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid && this.#isOurs(pid));
  }

  /** Waits until nothing of this test runs; fails after two seconds. */
  async gone(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (this.processes().length === 0) return;
      await delay(10);
    }
    throw new Error(`still there: ${this.processes().map(commandLine).join('; ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A host that has said how it ended is about to exit; its sanitizers may still have a word.
    await this.gone().catch(() => undefined);
    for (let attempt = 0; attempt < 100 && this.processes().length > 0; attempt += 1) {
      for (const pid of this.processes()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has just ended.
        }
      }
      await delay(10);
    }
    const reports = readdirSync(this.directory).filter((name) => name.startsWith('sanitizer'));
    const [report] = reports.map((name) => readFileSync(this.path(name), 'utf8'));
    rmSync(this.directory, { recursive: true, force: true });
    if (report !== undefined) throw new Error(report);
  }

  #isOurs(pid: number): boolean {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      if (/^\) [ZX]/.test(stat.slice(stat.lastIndexOf(')')))) return false;
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${MARK}=${this.id}`);
    } catch {
      return false;
    }
  }
}

/** Waits for a file to appear. */
export async function appears(path: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (existsSync(path)) return;
    await delay(10);
  }
  throw new Error(`${path} did not appear`);
}

function commandLine(pid: number): string {
  try {
    return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')}`;
  } catch {
    return String(pid);
  }
}
