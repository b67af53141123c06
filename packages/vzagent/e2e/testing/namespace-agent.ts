import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AgentClient } from '@zlayer/vzagent-proto';
import { compileStatic } from '../../build/toolchain.ts';
import { AgentConnection } from './agent-connection.ts';
import { makeContainerRoot } from './container-root.ts';

const agent = join(import.meta.dirname, '../../agent');

/** What only a machine has, and what stands in for it in `agent/test`. */
const MACHINE_SOURCES = new Set([
  'main.c',
  'boot_failure.c',
  'channel.c',
  'channel_door.c',
  'listener.c',
  'power.c',
  'share.c',
]);
const STAND_INS = ['agent_main.c', 'listener_unix.c', 'power_exit.c', 'share_folder.c'];

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-Wno-format-truncation'];
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

export interface NamespaceAgentOptions {
  /** Under sanitizers (the default), or compiled as it is for guests: fast and small. */
  build?: 'sanitized' | 'static';
  /** Programs for the container, by the name of their source beside this file, without its suffix. */
  programs?: readonly string[];
}

/** Why the agent cannot run in namespaces here; nothing when it can. */
export function namespacesAreMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the test root is for Linux on x86-64';
  if (process.getuid?.() !== 0) return 'namespaces and mounts need root';
  const hasCgroup2 = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].some((path) =>
    existsSync(join(path, 'cgroup.procs')),
  );
  return hasCgroup2 ? undefined : 'cgroup v2 is not mounted';
}

/** The agent as PID 1 of namespaces on this machine. */
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

  static async start({ build = 'sanitized', programs = [] }: NamespaceAgentOptions = {}): Promise<NamespaceAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-ns-'));
    try {
      const rootfs = join(folder, 'rootfs');
      const program = join(folder, 'agent');
      await Promise.all([makeContainerRoot(rootfs, 'amd64'), compile(program, build)]);
      for (const name of programs) {
        await compileStatic('amd64', [`${name}.c`], import.meta.dirname, join(rootfs, 'bin', name));
      }
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

  /** The Unix socket at which it serves. */
  get socket(): string {
    return join(this.#folder, 'socket');
  }

  connect(): Promise<AgentConnection> {
    return AgentConnection.direct(this.socket);
  }

  /** A bare connection. */
  async stream(): Promise<Socket> {
    const stream = createConnection(this.socket);
    await once(stream, 'connect');
    return stream;
  }

  /** A client of the agent, each of whose calls makes a connection of its own. */
  client(): AgentClient {
    return new AgentClient(() => this.stream());
  }

  /** How many descriptors the agent has open. */
  async descriptors(): Promise<number> {
    return (await readdir(`/proc/${await this.#agentPid()}/fd`)).length;
  }

  /** How many processes the agent has started and not yet reaped. */
  async children(): Promise<number> {
    return (await childrenOf(await this.#agentPid())).length;
  }

  /** The control groups below the container's, by name. */
  async cgroups(): Promise<string[]> {
    const roots = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].map((root) =>
      join(root, `vzagent-test-${this.#child.pid}`, 'container'),
    );
    const root = roots.find(existsSync);
    if (root === undefined) throw new Error('the container has no control group');
    return (await readdir(root, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  }

  /** The agent's resident memory, its program included, in bytes. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${await this.#agentPid()}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  async #agentPid(): Promise<number> {
    const [pid] = await childrenOf(this.#child.pid ?? 0);
    if (pid === undefined) throw new Error(`the agent has ended: ${this.errors}`);
    return pid;
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

async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return list.split(' ').filter(Boolean).map(Number);
}

async function compile(output: string, build: 'sanitized' | 'static'): Promise<void> {
  const own = (await readdir(agent)).filter((name) => name.endsWith('.c') && !MACHINE_SOURCES.has(name)).sort();
  const sources = [...own, ...STAND_INS.map((name) => join('test', name))];
  if (build === 'static') return compileStatic('amd64', sources, agent, output);
  await promisify(execFile)('gcc', [...FLAGS, ...SANITIZERS, '-o', output, ...sources], { cwd: agent });
}
