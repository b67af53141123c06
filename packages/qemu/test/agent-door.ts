import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const agent = join(import.meta.dirname, '../../vzagent/agent');
const SOURCES = ['test/channel_door.c', 'channel_door.c', 'channel_proof.c', 'sha256.c', 'loop.c', 'clock.c'];

/** The agent's own door, built with sanitizers, on this host's loopback. */
export class DoorProgram implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async build(): Promise<DoorProgram> {
    const folder = await mkdtemp(join(tmpdir(), 'channel-door-'));
    const flags = ['-std=c11', '-D_GNU_SOURCE', '-g', '-O1', '-Wall', '-Wextra', '-Werror'];
    const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
    await promisify(execFile)('gcc', [...flags, ...sanitizers, ...SOURCES, '-o', join(folder, 'door')], { cwd: agent });
    return new DoorProgram(folder);
  }

  /** The agent's MACs of keys and data. */
  async hmac(pairs: readonly (readonly [key: Uint8Array, data: Uint8Array])[]): Promise<string[]> {
    const child = spawn(join(this.#folder, 'door'), ['hmac'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex') || '-';
    child.stdin.end(pairs.map(([key, data]) => `${hex(key)} ${hex(data)}\n`).join(''));
    const macs: string[] = [];
    for await (const line of createInterface(child.stdout)) macs.push(line);
    return macs;
  }

  async serve(token: Uint8Array): Promise<Door> {
    const args = ['serve', Buffer.from(token).toString('hex')];
    const child = spawn(join(this.#folder, 'door'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout);
    const [first] = await once(lines, 'line');
    const door = new Door(child, Number(first));
    lines.on('line', () => {
      door.opened += 1;
    });
    return door;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class Door implements AsyncDisposable {
  readonly port: number;
  /** How many calls have got through. */
  opened = 0;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    this.#exited = once(child, 'exit');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Fails if a sanitizer found something. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    const [code] = await this.#exited;
    if (code !== 0) throw new Error(`the door ended with ${code}`);
  }
}
