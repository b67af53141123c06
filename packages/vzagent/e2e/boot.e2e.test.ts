import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { resolveGuest } from '../src/index.ts';
import { Machine } from './testing/machine.ts';

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
