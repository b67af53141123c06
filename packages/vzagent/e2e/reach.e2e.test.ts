import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARCHITECTURES, type Architecture } from '@zlayer/runtime-core';
import type { AgentClient } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { agentPath, debianPackage, resolveGuest, writeCpio } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { Machine } from './testing/machine.ts';
import { executeSpec, type Finished, finish, SHARE_ROOT, startSpec } from './testing/start-spec.ts';

describe.each(ARCHITECTURES)('a guest on %s with vsock’s loopback, which no bundle ships', (architecture) => {
  let folder: string;
  let machine: Machine;
  let client: AgentClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-reach-'));
    const rootfs = join(folder, 'rootfs');
    await makeContainerRoot(rootfs, architecture);
    const sources = join(import.meta.dirname, 'testing');
    for (const name of ['dial', 'probe']) {
      await compileStatic(architecture, [`${name}.c`], sources, join(rootfs, 'bin', name));
    }
    const { kernel, kernelVersion, initramfs } = await resolveGuest({ architecture });
    // What comes later in an initramfs replaces what came before.
    const more = writeCpio([
      { type: 'file', path: 'init', data: await readFile(join(rootfs, 'bin/dial')), mode: 0o755 },
      { type: 'file', path: 'vzagent', data: await readFile(agentPath(architecture)), mode: 0o755 },
      { type: 'file', path: 'vsock_loopback.ko', data: await readLoopback(kernelVersion, architecture) },
    ]);
    const own = join(folder, 'initramfs.cpio');
    await writeFile(own, Buffer.concat([await readFile(initramfs), more]));
    machine = await Machine.boot({ architecture, kernel, initramfs: own, rootfs });
    client = machine.client();
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('has no port that answers a process in the guest, not even one that nothing confines', async () => {
    await expect.poll(() => machine.console(), { timeout: 240_000, interval: 500 }).toContain('dialled');
    const lines = (await machine.console()).split('\r\n');
    // The loopback is there: what serves on it is reached.
    expect(lines).toEqual(
      expect.arrayContaining(['loopback loaded', 'own 1 4000 answered', 'own 3 4000 answered', 'dialled']),
    );
    for (const cid of [1, 3]) {
      // One port accepts, and closes without a byte.
      expect(lines.filter((line) => line.startsWith(`any ${cid} `))).toEqual([
        `any ${cid} 1 refused`,
        `any ${cid} 1024 closed`,
        `any ${cid} 1025 refused`,
      ]);
      expect(lines).toContain(`as-host ${cid} 1024 EADDRNOTAVAIL`);
      expect(lines.find((line) => line.startsWith(`as-local ${cid} 1024 `))).not.toMatch(/answered/);
    }
    expect((await client.hello()).isLegacy).toBe(false);
  }, 250_000);

  it('lets nothing in a container reach a port: as root and not, the workload and beside it', async () => {
    const results: [string, Finished][] = [];
    for (const user of ['', 'alice']) {
      for (const noNewPrivileges of [true, false]) {
        const fields = { argv: ['dial'], user, noNewPrivileges };
        results.push([
          `workload ${user}`,
          await finish(await client.start(startSpec({ root: SHARE_ROOT, ...fields }))),
        ]);
        using workload = await client.start(startSpec({ root: SHARE_ROOT, argv: ['sleep', '1000'] }));
        results.push([`beside ${user}`, await finish(await client.execute(executeSpec(fields)))]);
        await workload.signal(9);
        await client.wait(0, { timeoutMs: 20_000 });
      }
    }
    expect(results).toHaveLength(8);
    for (const [who, { stdout, code }] of results) {
      const lines = stdout.trim().split('\n');
      expect([who, code, lines.pop()]).toEqual([who, 0, 'dialled']);
      // One line for each CID and way: every port has the result of the first one.
      expect(lines).toHaveLength(10);
      for (const line of lines) expect([who, line.split(' ')[3]]).toEqual([who, 'EAFNOSUPPORT']);
    }
  });

  it('closes the other ways to a vsock to root and others: io_uring, the 32-bit entry, x32, pairs', async () => {
    for (const user of ['', 'alice']) {
      const { stdout } = await finish(await client.start(startSpec({ root: SHARE_ROOT, argv: ['probe'], user })));
      const denied = Object.fromEntries(stdout.split('\n').map((line) => line.split(' ')));
      // The ways through the processor's 32-bit calls are x86-64's.
      const is32 = architecture === 'amd64';
      for (const way of ['vsock', 'vsock-datagram', 'vsock-seqpacket', ...(is32 ? ['vsock-32'] : [])]) {
        expect([user, way, denied[way]]).toEqual([user, way, '97']);
      }
      for (const way of ['io_uring', ...(is32 ? ['socketcall-32', 'x32'] : [])]) {
        expect([user, way, denied[way]]).toEqual([user, way, '38']);
      }
      expect(denied['vsock-pair']).not.toBe('0');
      expect(denied['inet-32']).toBe(is32 ? '0' : undefined);
    }
    const script = 'ls /dev | grep -c vsock; mknod /dev/shm/vsock c 10 62 || mknod /dev/vsock c 10 62';
    const devices = await finish(await client.start(startSpec({ root: SHARE_ROOT, argv: ['/bin/sh', '-c', script] })));
    expect(devices).toMatchObject({ stdout: '0\n', code: 1 });
  });
});

/** Debian's module for the kernel, which guests do not get. */
async function readLoopback(kernelVersion: string | undefined, architecture: Architecture): Promise<Uint8Array> {
  const { root } = await debianPackage(`linux-image-${kernelVersion}`, { architecture });
  for (const path of await readdir(join(root), { recursive: true })) {
    if (path.endsWith('/vsock_loopback.ko')) return readFile(join(root, path));
  }
  throw new Error(`linux-image-${kernelVersion} has no vsock_loopback`);
}
