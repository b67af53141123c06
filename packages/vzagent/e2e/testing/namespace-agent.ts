import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AgentConnection } from './agent-connection.ts';
import { makeContainerRoot } from './container-root.ts';

const agent = join(import.meta.dirname, '../../agent');

/** What only a machine has, and what stands in for it in `agent/test`. */
const MACHINE_SOURCES = new Set(['main.c', 'boot_failure.c', 'listener.c', 'power.c', 'share.c']);
const STAND_INS = ['agent_main.c', 'listener_unix.c', 'power_exit.c', 'share_folder.c'];

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-Wno-format-truncation'];
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** Why the agent cannot run in namespaces here; nothing when it can. */
export function namespacesAreMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the test root is for Linux on x86-64';
  if (process.getuid?.() !== 0) return 'namespaces and mounts need root';
  const hasCgroup2 = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].some((path) =>
    existsSync(join(path, 'cgroup.procs')),
  );
  return hasCgroup2 ? undefined : 'cgroup v2 is not mounted';
}

/** The agent under sanitizers, as PID 1 of namespaces on this machine. */
export class NamespaceAgent implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: ChildProcess;
  /** The agent's own exit code, or 128 + N. */
  readonly exited: Promise<number | null>;
  errors = '';

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
  }

  static async start(): Promise<NamespaceAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-ns-'));
    try {
      const rootfs = join(folder, 'rootfs');
      const program = join(folder, 'agent');
      await Promise.all([makeContainerRoot(rootfs, 'amd64'), compile(program)]);
      const socket = join(folder, 'socket');
      const child = spawn(program, [socket, rootfs], {
        stdio: ['ignore', 'ignore', 'pipe'],
        // The leak checker would have to stop a PID 1, which it cannot.
        env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1' },
      });
      const started = new NamespaceAgent(folder, child);
      await started.#listens(socket);
      return started;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  connect(): Promise<AgentConnection> {
    return AgentConnection.direct(join(this.#folder, 'socket'));
  }

  async #listens(socket: string): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      if (this.#child.exitCode !== null) break;
      if (existsSync(socket)) return;
      await delay(20);
    }
    throw new Error(`the agent does not listen: ${this.errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGTERM');
    await this.exited;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function compile(output: string): Promise<void> {
  const sources = (await readdir(agent)).filter((name) => name.endsWith('.c') && !MACHINE_SOURCES.has(name));
  const standIns = STAND_INS.map((name) => join('test', name));
  await promisify(execFile)('gcc', [...FLAGS, ...SANITIZERS, '-o', output, ...sources.sort(), ...standIns], {
    cwd: agent,
  });
}
