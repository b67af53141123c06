import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectSupervisor, isAlive, processIdentity } from '@zlayer/host';
import { expect } from 'vitest';
import { type Terminal, terminal } from './terminal.ts';
import { type Finished, PROGRAM, zlayer } from './zlayer.ts';

/** A data directory, and the commands of a user who works in it. */
export class Place implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<Place> {
    return new Place(await mkdtemp(join(tmpdir(), 'zlayer-cli-')));
  }

  get env(): { ZLAYER_DATA_DIR: string } {
    return { ZLAYER_DATA_DIR: this.directory };
  }

  async finish(...args: string[]): Promise<Finished> {
    await using running = zlayer(args, this.env);
    return await running.finished();
  }

  /** What a command that succeeds writes. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.finish(...args);
    expect({ args, code, stderr }).toMatchObject({ code: 0, stderr });
    return stdout;
  }

  onTerminal(...args: string[]): Terminal {
    return terminal([process.execPath, PROGRAM, ...args], this.env);
  }

  async supervisorPid(): Promise<number | undefined> {
    const client = await connectSupervisor(this.directory);
    client?.close();
    return client?.pid;
  }

  async endSupervisor(signal: NodeJS.Signals): Promise<void> {
    const pid = await this.supervisorPid();
    const identity = pid === undefined ? undefined : processIdentity(pid);
    if (pid === undefined || identity === undefined) return;
    process.kill(pid, signal);
    while (isAlive(identity)) await delay(20);
  }

  /** Removes all containers, also those that a failed test has left running. */
  async [Symbol.asyncDispose](): Promise<void> {
    const listed = await this.finish('ps', '--all', '--json');
    const rows: { name: string }[] = listed.code === 0 ? JSON.parse(listed.stdout) : [];
    for (const { name } of rows) await this.finish('rm', '--force', name);
    await this.endSupervisor('SIGTERM');
    await rm(this.directory, { recursive: true, force: true });
  }
}
