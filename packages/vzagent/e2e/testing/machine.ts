import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Architecture } from '@zlayer/runtime-core';
import { AgentClient } from '@zlayer/vzagent-proto';
import { kernelArguments } from '../../src/kernel/kernel-arguments.ts';
import { AgentConnection } from './agent-connection.ts';

const READY_PORT = 1025;
const LAUNCH_TIMEOUT_MS = 60_000;
const VIRTIOFSD = '/usr/lib/qemu/virtiofsd';

const QEMU = {
  amd64: { program: 'qemu-system-x86_64', machine: ['-M', 'q35', '-cpu', 'max'], console: 'ttyS0' },
  arm64: { program: 'qemu-system-aarch64', machine: ['-M', 'virt', '-cpu', 'cortex-a72'], console: 'ttyAMA0' },
} as const;

export interface MachineOptions {
  architecture: Architecture;
  kernel: string;
  initramfs: string;
  /** Folder on this machine that becomes the root of containers that bring none of their own. */
  rootfs?: string;
  /** More words for the kernel command line. */
  append?: readonly string[];
  /** Leave the agent's own words off the command line. */
  withoutAgentWords?: boolean;
  /** A second share, by tag. */
  share?: { tag: string; path: string };
  /** More devices, as QEMU's arguments. Relative paths are in the machine's own folder. */
  devices?: readonly string[];
}

/** A real guest under QEMU's emulation, with the devices that every VMM gives it. */
export class Machine implements AsyncDisposable {
  /** When QEMU was started, in terms of `performance.now()`. */
  readonly launched: number;
  /** Resolves with QEMU's exit code (null when a signal ended it). */
  readonly exited: Promise<number | null>;
  /** Resolves, with `performance.now()`, when the agent has told that it listens. */
  readonly ready: Promise<number>;
  /** Resolves with the reason when the agent says that the boot has failed. */
  readonly failed: Promise<string>;
  readonly #folder: string;
  readonly #children: readonly ChildProcess[];
  readonly #close: () => void;

  private constructor(
    launched: number,
    folder: string,
    children: ChildProcess[],
    qemu: ChildProcess,
    ready: Promise<number>,
    failed: Promise<string>,
    close: () => void,
  ) {
    this.launched = launched;
    this.#folder = folder;
    this.#children = children;
    this.#close = close;
    this.ready = ready;
    this.failed = failed;
    this.exited = once(qemu, 'exit').then(([code]) => code as number | null);
  }

  static async launch(options: MachineOptions): Promise<Machine> {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-'));
    const children: ChildProcess[] = [];
    try {
      const start = (program: string, args: readonly string[]): ChildProcess => {
        // This virtiofsd reports QEMU's end as an error, and every guest here is ended from outside.
        const errors = program === VIRTIOFSD ? 'ignore' : 'inherit';
        const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', errors] });
        children.push(child);
        return child;
      };
      const shares = [
        ...(options.rootfs === undefined ? [] : [{ tag: 'rootfs', path: options.rootfs }]),
        ...(options.share === undefined ? [] : [options.share]),
      ];
      for (const [index, { path }] of shares.entries()) {
        start(VIRTIOFSD, [
          // Whole, because it also names a lock that all of a machine's virtiofsd have in common.
          `--socket-path=${join(folder, `fs${index}.sock`)}`,
          '-o',
          `source=${path}`,
          '-o',
          'cache=auto',
          '-o',
          'log_level=err',
        ]);
      }
      start('vhost-device-vsock', ['--guest-cid', '3', '--socket', 'vs.sock', '--uds-path', 'vsock.sock']);
      const host = createServer();
      const ready = Promise.withResolvers<number>();
      const failed = Promise.withResolvers<string>();
      host.on('connection', (socket) => {
        socket.on('error', () => {});
        let told = '';
        socket.on('data', (chunk) => {
          told += chunk;
          if (told === 'r') ready.resolve(performance.now());
          if (told === 'r' || told.length > 1) socket.destroy();
          if (told.startsWith('e') && told.length > 1) failed.resolve(told.slice(1));
        });
      });
      host.listen(join(folder, `vsock.sock_${READY_PORT}`));
      await once(host, 'listening');
      const sockets = ['vs.sock', ...shares.map((_, index) => `fs${index}.sock`)];
      await Promise.all(sockets.map((name) => appears(join(folder, name))));
      const agentWords = [
        ...(options.rootfs === undefined ? [] : ['rootfstag=rootfs']),
        `zlayer.boottime=${Math.floor(Date.now() / 1000)}`,
        `zlayer.ready=${READY_PORT}`,
      ];
      const append = [...(options.withoutAgentWords === true ? [] : agentWords), ...(options.append ?? [])];
      const { program, args } = machineArguments({ ...options, append });
      const launched = performance.now();
      const qemu = start(program, [
        ...args,
        ...deviceArguments(shares.map(({ tag }) => tag)),
        ...(options.devices ?? []),
      ]);
      return new Machine(launched, folder, children, qemu, ready.promise, failed.promise, () => host.close());
    } catch (error) {
      await stop(children);
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Launches and waits until the agent listens. */
  static async boot(options: MachineOptions): Promise<Machine> {
    const machine = await Machine.launch(options);
    try {
      const timeout = new AbortController();
      const won = await Promise.race([
        machine.ready.then(() => 'ready'),
        machine.exited.then(() => 'ended'),
        delay(LAUNCH_TIMEOUT_MS, 'late', { signal: timeout.signal }),
      ]);
      timeout.abort();
      if (won !== 'ready') throw new Error(`the guest is ${won}; its console:\n${await machine.console()}`);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  connect(): Promise<AgentConnection> {
    return AgentConnection.open(join(this.#folder, 'vsock.sock'));
  }

  /** A bare connection to the agent. */
  async stream(): Promise<Socket> {
    return (await this.connect()).socket.setTimeout(0);
  }

  /** A client of the agent, each of whose calls makes a connection of its own. */
  client(): AgentClient {
    return new AgentClient(() => this.stream());
  }

  /** Everything the guest has printed. */
  console(): Promise<string> {
    return readFile(join(this.#folder, 'console.log'), 'utf8').catch(() => '');
  }

  /** Resolves with `performance.now()` when the guest has printed `text`. */
  async prints(text: string): Promise<number> {
    const watcher = watch(this.#folder);
    try {
      for (;;) {
        const changed = once(watcher, 'change');
        if ((await this.console()).includes(text)) return performance.now();
        const ended = this.exited.then(() => 'ended');
        if ((await Promise.race([changed, ended])) === 'ended')
          throw new Error(`no "${text}": ${await this.console()}`);
      }
    } finally {
      watcher.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await stop(this.#children);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** QEMU for a guest's architecture with a kernel and nothing else; devices and a serial port come beside it. */
export function machineArguments(options: Pick<MachineOptions, 'architecture' | 'kernel' | 'initramfs' | 'append'>): {
  program: string;
  args: string[];
} {
  const { program, machine, console: port } = QEMU[options.architecture];
  const commandLine = [`console=${port}`, ...kernelArguments(options.architecture), ...(options.append ?? [])];
  const args = [
    ...machine,
    ...['-accel', 'tcg,thread=multi', '-smp', '2', '-m', '512'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-object', 'memory-backend-memfd,id=mem,size=512M,share=on', '-machine', 'memory-backend=mem'],
    ...['-kernel', options.kernel, '-initrd', options.initramfs, '-append', commandLine.join(' ')],
  ];
  return { program, args };
}

function deviceArguments(tags: readonly string[]): string[] {
  return [
    ...['-serial', 'file:console.log'],
    ...['-chardev', 'socket,id=vs,path=vs.sock', '-device', 'vhost-user-vsock-pci,chardev=vs'],
    ...tags.flatMap((tag, index) => [
      ...['-chardev', `socket,id=fs${index},path=fs${index}.sock`],
      ...['-device', `vhost-user-fs-pci,chardev=fs${index},tag=${tag}`],
    ]),
  ];
}

async function appears(path: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return;
    await delay(5);
  }
  throw new Error(`${path} does not appear`);
}

async function stop(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }),
  );
}
