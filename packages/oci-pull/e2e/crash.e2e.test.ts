import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { erofsImage, ImageStore, pullAndUnpack, pullImage, pullToErofs, verifyStore } from '../src/index.ts';
import { pushLayout, type RegistryServer, startRegistry, writeImageLayout } from '../src/testing/index.ts';
import { manyLayers, manyLinks } from './hard-images.ts';
import { treeSnapshot } from './tree-snapshot.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const program = fileURLToPath(new URL('crash-process.ts', import.meta.url));
const kills = 12;

let directory: string;
let registry: RegistryServer;
let reference: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-crash-'));
  registry = await startRegistry();
  reference = `${registry.host}/crash:1`;
  const layout = join(directory, 'layout');
  const layers = [...manyLayers(), ...manyLinks()];
  await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers }] });
  await pushLayout(layout, 'a', reference);
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

/** @returns Whether it came to its end before it was killed. */
async function killedAfter(milliseconds: number, target: string, store: string, unpacked: string): Promise<boolean> {
  const child = spawn(process.execPath, [program, target, store, reference, unpacked], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  try {
    let output = '';
    const begun = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk) => {
        output += chunk;
        resolve();
      });
    });
    await Promise.race([begun, closed]);
    await Promise.race([sleep(milliseconds), closed]);
    child.kill('SIGKILL');
    await closed;
    return output.includes('done');
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
}

describe('a process that is killed at any moment leaves a store that works', () => {
  test.each(['directory', 'erofs'])('while it pulls into a %s', async (target) => {
    const folder = await mkdtemp(join(directory, `${target}-`));
    const unpacked = join(folder, 'unpacked');
    const whole = await mkdtemp(join(directory, 'whole-'));
    const wholeStore = await ImageStore.open(join(whole, 'store'));
    const expected = await pullAndUnpack(reference, {
      store: wholeStore,
      platform,
      directory: join(whole, 'unpacked'),
    });
    let finished = 0;
    for (let kill = 0; kill < kills; kill++) {
      const fresh = kill % 4 === 0;
      const home = join(folder, `store-${Math.floor(kill / 4)}`);
      if (await killedAfter(kill * 37 + (fresh ? 5 : 0), target, home, `${unpacked}-${Math.floor(kill / 4)}`))
        finished++;
      const store = await ImageStore.open(home);
      expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
    }
    expect(finished).toBeLessThan(kills);

    for (let round = 0; round < kills / 4; round++) {
      const store = await ImageStore.open(join(folder, `store-${round}`));
      if (target === 'erofs') {
        const { erofs } = await pullToErofs(reference, { store, platform });
        expect(erofs.size).toBe((await erofsImage(expected.image, { store: wholeStore })).size);
      } else {
        const options = { store, platform, directory: `${unpacked}-${round}` };
        const { rootfs } = (await pullAndUnpack(reference, options)).unpacked;
        expect(treeSnapshot(rootfs)).toEqual(treeSnapshot(expected.unpacked.rootfs));
        expect(await readdir(join(options.directory, 'staging'))).toEqual([]);
      }
      expect((await pullImage(reference, { store, platform, policy: 'never' })).digest).toBe(expected.image.digest);
      expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
      expect((await readdir(join(store.directory, 'partial'))).filter((name) => /^[0-9a-f]+$/.test(name))).toEqual([]);
      expect(await readdir(join(store.directory, 'staging'))).toEqual([]);
    }
  });

  test('ten that want the same image at once get it, made once', async () => {
    const folder = await mkdtemp(join(directory, 'ten-'));
    const [home, unpacked] = [join(folder, 'store'), join(folder, 'unpacked')];
    const targets = [
      'directory',
      'erofs',
      'directory',
      'erofs',
      'directory',
      'erofs',
      'directory',
      'erofs',
      'erofs',
      'erofs',
    ];
    const results = await Promise.all(targets.map((target) => killedAfter(100_000, target, home, unpacked)));
    expect(results).toEqual(targets.map(() => true));
    const store = await ImageStore.open(home);
    expect(await verifyStore(store)).toMatchObject({ damaged: [], missing: [] });
    expect(await readdir(join(home, 'erofs', 'staging'))).toEqual([]);
    expect(await readdir(join(home, 'erofs', 'v2', 'sha256'))).toHaveLength(1);
    expect(await readdir(join(unpacked, 'staging'))).toEqual([]);
    expect(await readdir(join(home, 'leases'))).toEqual([]);
  });
});
