import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import type { AgentClient, StartSpec } from '@zlayer/vzagent-proto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { Machine } from './testing/machine.ts';
import { executeSpec, finish, SHARE_ROOT, startSpec } from './testing/start-spec.ts';

const MIB = 1024 * 1024;

/** Milliseconds within which the agent answers and executes, whatever else goes on. */
const ANSWER_MS = 20_000;

describe.each(ARCHITECTURES)('a guest on %s whose workload is hostile', (architecture) => {
  let folder: string;
  let machine: Machine;
  let client: AgentClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-robust-'));
    const rootfs = join(folder, 'rootfs');
    await makeContainerRoot(rootfs, architecture);
    const sources = join(import.meta.dirname, 'testing');
    await compileStatic(architecture, ['hostile.c'], sources, join(rootfs, 'bin/hostile'));
    machine = await Machine.boot({ ...(await resolveGuest({ architecture })), rootfs });
    client = machine.client();
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const root = { ...SHARE_ROOT, upperBytes: 32 * MIB };
  const limits = { cpuQuotaMicros: null, memoryBytes: 96 * MIB, pids: 64 };
  const unlimited = { cpuQuotaMicros: null, memoryBytes: null, pids: null };
  const specOf = (argv: readonly string[], fields: Partial<StartSpec> = {}) =>
    startSpec({ root, limits, argv, ...fields });
  const script = (text: string) => ['/bin/sh', '-c', text];

  async function isAnswered(): Promise<void> {
    const asked = machine.client();
    expect((await asked.hello({ timeoutMs: ANSWER_MS })).isLegacy).toBe(false);
    expect((await asked.statistics({ timeoutMs: ANSWER_MS })).guestMemoryBytes).toBeGreaterThan(0);
  }

  /** The workload is ended, and another one runs. */
  async function isFree(): Promise<void> {
    await client.signal(0, 9, 'all', { timeoutMs: ANSWER_MS }).catch(() => {});
    await client.wait(0, { timeoutMs: ANSWER_MS }).catch(() => {});
    const options = { timeoutMs: ANSWER_MS };
    const next = await client.start(specOf(script('echo next; exec sleep 1000')), options);
    const beside = await finish(await client.execute(executeSpec({ argv: ['echo', 'beside'] }), options));
    expect(beside).toMatchObject({ stdout: 'beside\n', code: 0 });
    const output = next.output[Symbol.asyncIterator]();
    const { value } = await output.next();
    expect(Buffer.from(value?.data ?? []).toString()).toBe('next\n');
    await next.signal(9);
    expect(await next.exited).toMatchObject({ signal: 9 });
  }

  afterEach(isFree, 60_000);

  it('forks without end, held by a limit and without one', async () => {
    for (const held of [limits, unlimited]) {
      using _ = await client.start(specOf(script('b() { b | b & }; b 2>/dev/null; exec sleep 1000'), { limits: held }));
      await delay(2000);
      await isAnswered();
      await isFree();
    }
  });

  it('takes all processors, and a program beside it still runs', async () => {
    using _ = await client.start(specOf(script('while :; do :; done & while :; do :; done')));
    const { code } = await finish(await client.execute(executeSpec({ argv: ['true'] }), { timeoutMs: ANSWER_MS }));
    expect(code).toBe(0);
  });

  it('fills the memory, its own and the machine’s, and is told from one that was killed', async () => {
    const eat = 'x=0123456789abcdef; while :; do x=$x$x; done';
    expect(await finish(await client.start(specOf(script(eat))))).toMatchObject({ code: 137, oomKilled: true });
    await isAnswered();
    const all = await finish(await client.start(specOf(script(eat), { limits: unlimited })));
    expect(all.code).toBeGreaterThan(0);
    await isAnswered();
  });

  it('fills its disk, and sees that it is full', async () => {
    const text =
      'yes > /tmp/full; echo $?; echo more > /tmp/more || echo "no room"; rm /tmp/full; echo x > /tmp/y && echo room';
    const { stdout } = await finish(await client.start(specOf(script(text))));
    expect(stdout).toBe('1\nno room\nroom\n');
    await isAnswered();
  });

  for (const kind of ['files', 'pipes', 'sockets'] as const) {
    it(`takes all ${kind} that it gets`, async () => {
      const workload = await client.start(specOf(['hostile', kind], { limits: unlimited }));
      const told = (async () => {
        for await (const { data } of workload.output) return Buffer.from(data).toString();
        return 'killed';
      })();
      await Promise.race([told, delay(30_000)]);
      await isAnswered();
      workload.close();
    });
  }

  it('kills all that it can see', async () => {
    using _ = await client.start(specOf(['sleep', '1000']));
    const { code } = await finish(
      await client.execute(executeSpec({ argv: script('kill -9 -1; kill -9 1; echo $?') })),
    );
    expect(code).toBeDefined();
    await isAnswered();
    const init = await finish(
      await client.execute(executeSpec({ argv: ['true'] })).catch(() => client.start(specOf(['true']))),
    );
    expect(init.code).toBe(0);
  });

  it('floods both of its outputs while nobody reads, or closes them', async () => {
    const flood = await client.start(specOf(script('yes & yes >&2 & exec yes'), { spoolBytes: 65_536 }));
    await delay(1000);
    await isAnswered();
    flood.close();
    await isFree();
    const closes = await client.start(specOf(script('exec <&- >&- 2>&-; sleep 0.2; exit 5'), { stdin: true }));
    closes.stdin?.end('nobody reads this');
    expect(await finish(closes)).toMatchObject({ stdout: '', code: 5 });
  });

  for (const user of ['', 'alice']) {
    it(`looks for a way out, as ${user === '' ? 'root' : 'another user'}`, async () => {
      const { stdout } = await finish(await client.start(specOf(['hostile', 'escape'], { user })));
      expect(stdout).toBe('tried\n');
      await isAnswered();
    });
  }
});
