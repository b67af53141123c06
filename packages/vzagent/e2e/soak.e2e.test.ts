import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { AgentClient } from '@zlayer/vzagent-proto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NamespaceAgent, namespacesAreMissing } from './testing/namespace-agent.ts';
import { executeSpec, finish, SHARE_ROOT, startSpec } from './testing/start-spec.ts';

const MIB = 1024 * 1024;
const missing = namespacesAreMissing();

const shellSpec = (script: string) =>
  startSpec({ root: SHARE_ROOT, argv: ['/bin/sh', '-c', script], spoolBytes: 256 * 1024 });

// Compiled as it is for guests, so that what it needs is what it needs there.
describe.skipIf(missing !== undefined)(`the agent under load${missing ? ` (${missing})` : ''}`, () => {
  let folder: string;
  let agent: NamespaceAgent;
  let client: AgentClient;
  let descriptors: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-soak-'));
    agent = await NamespaceAgent.start({ build: 'static' });
    client = agent.client();
    await finish(await client.start(shellSpec('true')));
    descriptors = await agent.descriptors();
  });

  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    await client.signal(0, 9, 'all').catch(() => {});
    await client.wait(0, { timeoutMs: 20_000 }).catch(() => {});
  });

  it('brings 1 GB of output with its checksum intact to a host that pauses at random', async () => {
    const length = 1000 * 1000 * 1000;
    const line = '0123456789abcde\n';
    const process = await client.start(shellSpec(`yes 0123456789abcde | head -c ${length}; echo end >&2; exit 3`));
    const hash = createHash('sha256');
    let received = 0;
    let errors = '';
    let pauses = 0;
    let pauseAt = 0;
    for await (const { stream, data } of process.output) {
      if (stream === 'stderr') {
        errors += Buffer.from(data).toString();
        continue;
      }
      hash.update(data);
      received += data.length;
      if (received < pauseAt) continue;
      pauses++;
      await delay(Math.random() * 100);
      pauseAt = received + Math.random() * 40 * MIB;
    }
    expect({ received, errors, ...(await process.exited) }).toMatchObject({
      received: length,
      errors: 'end\n',
      code: 3,
    });
    const expected = createHash('sha256');
    const block = Buffer.from(line.repeat(length / line.length / 625));
    for (let i = 0; i < 625; i++) expected.update(block);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    expect(pauses).toBeGreaterThan(20);
  });

  it('loses no byte and repeats none when hosts are killed with SIGKILL and others go on from their file', async () => {
    const numbers = 12_000_000;
    const file = join(folder, 'output');
    const script = `seq 1 ${numbers}; exit 4`;
    let code: string | undefined;
    let kills = 0;
    for (let killAfter = 0; code === undefined; ) {
      killAfter += (4 + Math.random() * 12) * MIB;
      const host = spawn(
        process.execPath,
        [join(import.meta.dirname, 'testing/drain-host.ts'), agent.socket, file, script],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      const ended = once(host, 'exit');
      code = await drive(host, killAfter);
      const [status, signal] = await ended;
      // A kill may also come when the host has said all it had to say.
      if (signal !== 'SIGKILL') expect([status, code]).toEqual([0, 'exit 4']);
      if (code === undefined) kills++;
    }
    expect(code).toBe('exit 4');
    expect(kills).toBeGreaterThanOrEqual(3);
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      `seq 1 ${numbers} | sha256sum; seq 1 ${numbers} | wc -c`,
    ]);
    const [digest, length] = stdout.split(/\s+-?\s*/);
    expect((await stat(file)).size).toBe(Number(length));
    expect(await digestOfFile(file)).toBe(digest);
  });

  it('executes for eight clients at once, a thousand times each, and all return', async () => {
    using _ = await client.start(shellSpec('exec sleep 1000'));
    await Promise.all(
      Array.from({ length: 8 }, async (_, number) => {
        for (let i = 0; i < 1000; i++) {
          const code = (number * 31 + i) % 200;
          const argv = ['/bin/sh', '-c', `echo ${number}-${i}; exit ${code}`];
          const { stdout, code: returned } = await finish(await client.execute(executeSpec({ argv })));
          if (stdout !== `${number}-${i}\n` || returned !== code)
            throw new Error(`${number}-${i}: ${stdout} ${returned}`);
        }
      }),
    );
  });

  it('has nothing left of it all but 64 ends to ask for, and less than 2 MB resident', async () => {
    await expect.poll(() => agent.children(), { timeout: 10_000 }).toBe(0);
    // The last connection waits some seconds for another execute.
    await expect.poll(() => agent.descriptors(), { timeout: 15_000 }).toBeLessThanOrEqual(descriptors);
    const leaves = (await agent.cgroups()).filter((name) => name.startsWith('process-'));
    // Those that the next executions take.
    expect(leaves.length).toBeLessThanOrEqual(4);
    expect(await agent.residentBytes()).toBeLessThan(2_000_000);
  });
});

/** Kills a host when its file has grown to a length; gives what it says about the exit if it gets there. */
async function drive(host: ChildProcess, killAfter: number): Promise<string | undefined> {
  if (host.stdout === null) return undefined;
  for await (const line of createInterface(host.stdout)) {
    if (line.startsWith('exit ')) return line;
    if (Number(line) >= killAfter) host.kill('SIGKILL');
  }
  return undefined;
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}
