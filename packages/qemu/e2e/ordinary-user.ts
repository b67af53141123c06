import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, copyFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { promisify } from 'node:util';
import type { Architecture, ServiceSpecInput } from '@zlayer/runtime-core';
import { rustVirtiofsd } from '@zlayer/test-images';
import { resolveGuest } from '@zlayer/vzagent';

const SCRIPT = join(import.meta.dirname, 'user-program.ts');

export interface Said {
  exitCode: number;
  stdoutText: string;
  stderrText: string;
}

/** Whether a user who is not root can read this checkout and run its Node; only root can try. */
export async function ordinaryUsersCanRun(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const other = { uid: 65534, gid: 65534, env: {} };
  return await promisify(execFile)(
    process.execPath,
    ['-e', `require('node:fs').readFileSync(${JSON.stringify(SCRIPT)})`],
    other,
  ).then(
    () => true,
    () => false,
  );
}

/** A user of the host, with a home and all that takes to run containers: a guest, and a virtiofsd that is not root's. */
export class OrdinaryUser implements AsyncDisposable {
  readonly uid: number;
  /** A folder of the user's. */
  readonly home: string;
  /** A folder in it to share with guests. */
  readonly share: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(uid: number, home: string, env: NodeJS.ProcessEnv) {
    this.uid = uid;
    this.home = home;
    this.share = join(home, 'share');
    this.#env = env;
  }

  static async make(uid: number, architecture: Architecture): Promise<OrdinaryUser> {
    const home = await mkdtemp(join(tmpdir(), 'zlayer-user-'));
    const [kernel, initramfs, virtiofsd] = ['kernel', 'initramfs', 'virtiofsd'].map((name) => join(home, name));
    const guest = await resolveGuest({ architecture });
    await copyFile(guest.kernel, String(kernel));
    await copyFile(guest.initramfs, String(initramfs));
    await cp(await rustVirtiofsd(), String(virtiofsd), { recursive: true });
    for (const path of [kernel, initramfs]) await chmod(String(path), 0o644);
    await mkdir(join(home, 'share'));
    for (const path of [home, join(home, 'share')]) await chown(path, uid, uid);
    return new OrdinaryUser(uid, home, {
      ...{ PATH: process.env['PATH'], HOME: home, ZLAYER_CACHE_DIR: join(home, 'cache') },
      ...{ ZLAYER_VZ_LINUX_KERNEL: kernel, ZLAYER_VZ_LINUX_INITRD: initramfs },
    });
  }

  /** Starts a container in a process of the user's. */
  async start(spec: ServiceSpecInput): Promise<UserContainer> {
    const args = [SCRIPT, join(this.home, 'data'), join(this.home, 'virtiofsd/virtiofsd'), JSON.stringify(spec)];
    const child = spawn(process.execPath, args, {
      ...{ uid: this.uid, gid: this.uid, env: this.#env, cwd: this.home },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return await UserContainer.of(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.home, { recursive: true, force: true });
    await rm(join(tmpdir(), `zlayer-${this.uid}`), { recursive: true, force: true });
  }
}

/** A container of an ordinary user. It ends with its process. */
export class UserContainer implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, lines: Interface) {
    this.pid = child.pid ?? 0;
    this.#child = child;
    this.#lines = lines;
    this.#exited = once(child, 'exit');
  }

  static async of(child: ChildProcess): Promise<UserContainer> {
    if (child.stdout === null) throw new Error('the process has no output');
    const container = new UserContainer(child, createInterface(child.stdout));
    if ((await container.#answer()) === 'running') return container;
    await container[Symbol.asyncDispose]();
    throw new Error('the container did not start');
  }

  async exec(...argv: string[]): Promise<Said> {
    this.#child.stdin?.write(`${JSON.stringify(argv)}\n`);
    return (await this.#answer()) as Said;
  }

  /** Resolves to how it ended. */
  async stop(): Promise<unknown> {
    this.#child.stdin?.end();
    const end = await this.#answer();
    await this.#exited;
    return end;
  }

  async #answer(): Promise<unknown> {
    const ended = this.#exited.then(() => {
      throw new Error('the process of the other user has ended');
    });
    const [line] = (await Promise.race([once(this.#lines, 'line'), ended])) as [string];
    return JSON.parse(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
