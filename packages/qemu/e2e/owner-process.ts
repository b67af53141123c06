import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ServiceSpecInput } from '@zlayer/runtime-core';

/** What `owner.ts` calls its container. */
export const OWNED = { service: 'owned', replica: 0 } as const;

/** Another process that has started a container and goes on until it is killed. */
export class OwnerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  static async start(dataDir: string, spec: ServiceSpecInput): Promise<OwnerProcess> {
    const script = join(import.meta.dirname, 'owner.ts');
    const child = spawn(process.execPath, [script, dataDir, JSON.stringify(spec)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const owner = new OwnerProcess(child);
    const said = await Promise.race([once(child.stdout, 'data'), owner.#exited.then(() => ['nothing'])]);
    if (String(said[0]) === 'running\n') return owner;
    await owner.kill();
    throw new Error(`the other process said ${said[0]}`);
  }

  /** With SIGKILL: it can put nothing in order. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
