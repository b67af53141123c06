import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseServiceSpec, type ServiceSpecInput } from '@zlayer/runtime-core';
import { resolveGuest } from '@zlayer/vzagent';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prepareStorage, releaseVolumes, type Storage } from './storage.ts';
import { VolumeStore } from './volume-store.ts';

describe('prepareStorage', () => {
  let directory: string;
  let volumes: VolumeStore;
  let volumeTemplate: string | undefined;
  const held: Storage[] = [];

  beforeAll(async () => {
    // Any two files: nothing is booted, and the template is the same for every kernel.
    const guest = { kernel: import.meta.filename, initramfs: import.meta.filename };
    ({ volumeTemplate } = await resolveGuest({ architecture: 'amd64', guest }));
  });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zlayer-storage-'));
    volumes = new VolumeStore(join(directory, 'volumes'));
    for (const name of ['one', 'two']) await mkdir(join(directory, name));
    await writeFile(join(directory, 'one', 'file'), 'content');
  });
  afterEach(async () => {
    for (const storage of held.splice(0)) releaseVolumes(storage);
    await rm(directory, { recursive: true, force: true });
  });

  const prepare = async (
    storage: ServiceSpecInput['storage'],
    container = 'one',
    running: readonly string[] = [],
  ): Promise<Storage> => {
    const { storage: mounts } = parseServiceSpec({ image: 'a', storage });
    const prepared = await prepareStorage(mounts, {
      volumes,
      directory: join(directory, container),
      volumeTemplate,
      isRunning: async (each) => running.includes(each),
    });
    held.push(prepared);
    return prepared;
  };

  it('shares each folder once, and a file as a part of its folder', async () => {
    const one = join(directory, 'one');
    const { shares, mounts } = await prepare([`${one}:/a`, `${one}/file:/b`, `${one}:/c:ro`]);
    expect(shares).toEqual([
      { tag: 'bind0', path: one, readOnly: false },
      { tag: 'bind1', path: one, readOnly: true },
    ]);
    expect(mounts).toMatchObject([
      { kind: 'share', source: 'bind0', subpath: null, target: '/a', readonly: false },
      { kind: 'share', source: 'bind0', subpath: 'file', target: '/b', readonly: false },
      { kind: 'share', source: 'bind1', subpath: null, target: '/c', readonly: true },
    ]);
  });

  it('names what is not there', async () => {
    const source = join(directory, 'missing');
    await expect(prepare([`${source}:/a`])).rejects.toMatchObject({ code: 'NOT_FOUND', subject: source });
  });

  it('gives a volume to one container at a time, also when its owner is dead and its machine is not', async () => {
    const first = await prepare(['data:/a', 'data:/b:ro']);
    expect(first.disks).toHaveLength(1);
    expect(first.mounts).toMatchObject([
      { source: 'volume0', readonly: false },
      { source: 'volume0', readonly: true },
    ]);
    await expect(prepare(['data:/a'], 'two')).rejects.toMatchObject({ code: 'CONFLICT', subject: 'data' });
    releaseVolumes(first);
    const one = join(directory, 'one');
    await expect(prepare(['data:/a'], 'two', [one])).rejects.toMatchObject({ code: 'CONFLICT', subject: 'data' });
    await prepare(['data:/a'], 'two');
  });

  it('holds nothing when something of it fails', async () => {
    await expect(prepare(['data:/a', '/no/such/place:/b'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await prepare(['data:/a'], 'two');
  });

  it('says what is missing when there is nothing to make a volume from, and takes one that is there', async () => {
    const template = volumeTemplate;
    volumeTemplate = undefined;
    try {
      await expect(prepare(['data:/a'])).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('volume template'),
      });
      await mkdir(join(directory, 'volumes', 'data'), { recursive: true });
      await writeFile(join(directory, 'volumes', 'data', 'disk.ext4'), 'a volume');
      const { disks } = await prepare(['data:/a']);
      expect(await readFile(disks[0]?.path ?? '', 'utf8')).toBe('a volume');
    } finally {
      volumeTemplate = template;
    }
  });

  it('gives a volume the room of 64 GiB, and takes next to none of the host', async () => {
    const { disks } = await prepare(['data:/a']);
    const { size, blocks } = await stat(disks[0]?.path ?? '');
    expect(size).toBe(64 * 1024 ** 3);
    expect(blocks * 512).toBeLessThan(1024 ** 2);
  });

  it("keeps a container's own volumes in its directory, which is removed with it", async () => {
    const { disks } = await prepare(['/a', '/b']);
    expect(disks.map(({ serial }) => serial)).toEqual(['volume0', 'volume1']);
    expect(await readdir(join(directory, 'one', 'volumes'))).toEqual(['0.ext4', '1.ext4']);
  });
});
