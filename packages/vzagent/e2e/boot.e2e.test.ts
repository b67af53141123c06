import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { Machine } from './testing/machine.ts';

const hello = { type: 'Hello', version: 1, features: [], software: 'test' } as const;

describe.each(ARCHITECTURES)('a guest on %s', (architecture) => {
  it('that cannot mount its root says so, on the console and to the host, and powers off', async () => {
    const rootfs = await mkdtemp(join(tmpdir(), 'vzagent-root-'));
    try {
      const { kernel, initramfs } = await resolveGuest({ architecture });
      const append = ['rootfstag=elsewhere'];
      await using machine = await Machine.launch({ architecture, kernel, initramfs, rootfs, append });
      expect(await machine.failed).toBe('cannot mount elsewhere (virtiofs): no such share');
      expect(await machine.exited).toBe(0);
      expect(await machine.console()).toContain('vzagent: cannot mount elsewhere (virtiofs): no such share');
    } finally {
      await rm(rootfs, { recursive: true, force: true });
    }
  });

  it('without a module says so, and powers off when it cannot be reached without', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-initramfs-'));
    try {
      const { kernel, initramfs } = await resolveGuest({ architecture });
      const broken = join(folder, 'broken.cpio');
      await writeFile(broken, damage(await readFile(initramfs), 'vmw_vsock_virtio_transport.ko'));
      await using machine = await Machine.launch({ architecture, kernel, initramfs: broken });
      expect(await machine.exited).toBe(0);
      const printed = await machine.console();
      expect(printed).toContain('vzagent: module /lib/modules/vmw_vsock_virtio_transport.ko: ');
      expect(printed).toContain('vzagent: there is no virtio-vsock device with a driver\r\nvzagent: powering off');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('answers in order whatever is asked of it while it still boots', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-root-'));
    try {
      const rootfs = join(folder, 'root');
      await makeContainerRoot(rootfs, architecture);
      const { kernel, initramfs } = await resolveGuest({ architecture });
      await using machine = await Machine.boot({ architecture, kernel, initramfs, rootfs });
      // Needs the root, which is mounted after the agent has said that it listens.
      await using running = await machine.connect();
      running.run(['cat', '/etc/passwd']);
      await using asking = await machine.connect();
      for (let i = 0; i < 20; i++) asking.send(i % 2 === 0 ? { type: 'GetNetwork' } : hello);
      for (let i = 0; i < 20; i++) await asking.expect(i % 2 === 0 ? 'Network' : 'Hello');
      expect((await running.outcome()).stdout).toContain('root:');
      await using later = await machine.connect();
      await later.ask({ type: 'GetNetwork' }, 'Network');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('boots from an initramfs of less than 3 MB', async () => {
    const { initramfs } = await resolveGuest({ architecture });
    expect((await stat(initramfs)).size).toBeLessThan(3_000_000);
  });
});

/** The same archive with a file of a name that nobody looks for. */
function damage(archive: Buffer, name: string): Buffer {
  const damaged = Buffer.from(archive);
  const at = damaged.indexOf(`lib/modules/${name}\0`);
  expect(at).toBeGreaterThan(0);
  damaged.write('X', at + 'lib/modules/'.length);
  return damaged;
}
