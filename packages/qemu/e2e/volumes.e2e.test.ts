import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';

const id = { service: 'volumes', replica: 0 };
const MIB = 1024 ** 2;

describe('the disks of a container', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let runtime: QemuRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-volumes-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
    runtime = new QemuRuntime({ dataDir });
  });
  afterEach(() => runtime.removeContainer(id, { force: true }));
  afterAll(async () => {
    await runtime?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const start = async (spec: Partial<ServiceSpecInput>): Promise<void> => {
    await runtime.createContainer(id, {
      image: served.images.plain,
      command: { args: ['sleep', '1000'] },
      ...spec,
    });
    await runtime.startContainer(id);
  };

  const shell = async (script: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await runtime.exec(id, ['sh', '-c', script]);
    expect(Buffer.from(stderr).toString()).toBe('');
    expect(exitCode).toBe(0);
    return Buffer.from(stdout).toString();
  };

  const bytesOf = async (path: string): Promise<number> => (await stat(path)).blocks * 512;

  /** Bytes of the file system at a path, as the guest sees it. */
  const sizeOf = async (path: string): Promise<number> =>
    1024 * Number((await shell(`df -k ${path} | tail -n 1`)).trim().split(/\s+/).at(-5));

  const fill = (path: string): Promise<string> => shell(`head -c ${64 * MIB} /dev/urandom > ${path} && sync`);

  it.each([
    ['a named volume', { storage: ['data:/data'] }, '/data', () => join(dataDir, 'volumes', 'data', 'disk.ext4')],
    [
      'the written part of the root',
      { rootfs: { size: '300Mi' } },
      '/',
      () => join(dataDir, 'qemu', 'containers', 'volumes-0', 'rootfs-upper.ext4'),
    ],
  ] as const)(
    '%s has its whole size, and the host gets back the room of what is deleted',
    async (_, spec, at, file) => {
      await start(structuredClone(spec) as Partial<ServiceSpecInput>);
      const { size } = await stat(file());
      expect(size).toBe(at === '/' ? 300 * MIB : 65536 * MIB);
      // The file system's own tables and its journal are not for files.
      expect(await sizeOf(at)).toBeGreaterThan(size * 0.9);
      const empty = await bytesOf(file());
      expect(empty).toBeLessThan(4 * MIB);
      await fill(`${at}/random`);
      expect(await bytesOf(file())).toBeGreaterThan(64 * MIB);
      await shell(`rm ${at}/random && sync`);
      await expect.poll(() => bytesOf(file()), { timeout: 30_000 }).toBeLessThan(empty + 16 * MIB);
    },
  );
});
