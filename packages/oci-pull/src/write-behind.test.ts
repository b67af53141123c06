import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { collectGarbage } from './collect-garbage.ts';
import { erofsImage } from './erofs-image.ts';
import { ImageStore } from './image-store.ts';
import { importLayout } from './import-layout.ts';
import { findImage, type StoredImage } from './stored-image.ts';
import { writeImageLayout } from './testing/image-layout.ts';
import { unpackImage } from './unpack-image.ts';
import { WriteBehind } from './write-behind.ts';

let directory: string;
let notes: string;
let writeBehind: WriteBehind;
const minute = 60_000;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-write-behind-'));
  notes = join(directory, 'unsynced');
  const isSound = async (path: string) => readFileSync(path, 'utf8') === 'sound';
  writeBehind = new WriteBehind({ directory, lock: join(directory, 'lock'), isSound });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  await using _unsynced = await writeBehind.begin(Object.keys(files));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
}

/** What the machine finds when it runs again. */
function afterPowerCut(folder = notes): void {
  for (const name of readdirSync(folder)) {
    const note = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    writeFileSync(join(folder, name), JSON.stringify({ ...note, boot: '00000000-0000-0000-0000-000000000000' }));
  }
}

describe('what was not synced before a power cut', () => {
  test('is looked at, and goes if it is damaged; nothing else is touched', async () => {
    writeFileSync(join(directory, 'other'), 'not named');
    await write({ good: 'sound', bad: 'damaged' });
    afterPowerCut();
    await writeBehind.settle();
    expect(readdirSync(directory).sort()).toEqual(['good', 'other', 'unsynced']);
    expect(readdirSync(notes)).toEqual([]);
  });

  test('is looked at also when the power went in the midst of the writing', async () => {
    // The writer never came to its end.
    await writeBehind.begin(['bad', 'never-made']);
    writeFileSync(join(directory, 'bad'), 'half');
    afterPowerCut();
    await writeBehind.settle();
    expect(existsSync(join(directory, 'bad'))).toBe(false);
  });

  test('is looked at once, also by many at a time', async () => {
    await write({ good: 'sound', bad: 'damaged' });
    afterPowerCut();
    await Promise.all(Array.from({ length: 8 }, () => writeBehind.settle()));
    expect(readdirSync(directory).sort()).toEqual(['good', 'unsynced']);
  });

  test('is found by nobody through a note that points elsewhere', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'zlayer-outside-'));
    try {
      writeFileSync(join(outside, 'file'), 'damaged');
      await write({ good: 'sound' });
      const [name = ''] = readdirSync(notes);
      const paths = [`../${outside.split('/').at(-1)}/file`, join(outside, 'file'), '.', '', 'a/../../x', 7, null];
      writeFileSync(join(notes, name), JSON.stringify({ boot: 'another', paths }));
      await writeBehind.settle();
      expect(existsSync(join(outside, 'file'))).toBe(true);
      expect(existsSync(join(directory, 'good'))).toBe(true);
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  });
});

describe('in the same boot', () => {
  test('files stay as they are, and are synced a minute later', async () => {
    await write({ bad: 'damaged' });
    await writeBehind.settle();
    expect(readdirSync(notes)).toHaveLength(1);
    const now = Date.now();
    vi.spyOn(Date, 'now').mockReturnValue(now + 2 * minute);
    await writeBehind.settle();
    expect(readdirSync(notes)).toEqual([]);
    expect(existsSync(join(directory, 'bad'))).toBe(true);
  });

  test('a note stays while its writer is at work, however long that takes', async () => {
    await using _unsynced = await writeBehind.begin(['slow']);
    const now = Date.now();
    vi.spyOn(Date, 'now').mockReturnValue(now + 60 * minute);
    await writeBehind.settle();
    expect(readdirSync(notes)).toHaveLength(1);
  });

  test('files that are there already are not noted again', async () => {
    await write({ good: 'sound' });
    await write({ good: 'sound' });
    expect(readdirSync(notes)).toHaveLength(1);
  });

  test('a writer that failed leaves no note', async () => {
    await expect(
      (async () => {
        await using _unsynced = await writeBehind.begin(['never']);
        throw new Error('failed');
      })(),
    ).rejects.toThrow('failed');
    expect(readdirSync(notes)).toEqual([]);
  });
});

describe('an image store after a power cut', () => {
  const platform = { os: 'linux', architecture: 'amd64' };
  let storeDirectory: string;

  async function add(): Promise<{ store: ImageStore; image: StoredImage }> {
    const layout = join(directory, 'layout');
    const layers = [{ content: [{ path: 'file', content: 'x'.repeat(10_000) }] }];
    await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers }] });
    storeDirectory = join(directory, 'store');
    const store = await ImageStore.open(storeDirectory);
    return { store, image: await importLayout(layout, { store, platform, reference: 'a' }) };
  }

  test('has an EROFS image made anew that may be damaged', async () => {
    const { store, image } = await add();
    const { path } = await erofsImage(image, { store });
    const expected = readFileSync(path);
    writeFileSync(path, Buffer.alloc(expected.length));
    afterPowerCut(join(storeDirectory, 'unsynced'));
    const again = await ImageStore.open(storeDirectory);
    const made = await erofsImage(image, { store: again });
    expect(made.existed).toBe(false);
    expect(readFileSync(path).equals(expected)).toBe(true);
  });

  test('has a directory unpacked anew whose files may be empty', async () => {
    const { store, image } = await add();
    const unpacked = join(directory, 'unpacked');
    const { rootfs } = await unpackImage(image, { store, directory: unpacked });
    writeFileSync(join(rootfs, 'file'), '');
    afterPowerCut(join(unpacked, 'unsynced'));
    const made = await unpackImage(image, { store, directory: unpacked });
    expect(made.existed).toBe(false);
    expect(readFileSync(join(rootfs, 'file'), 'utf8')).toHaveLength(10_000);
  });

  test('has lost blobs that rotted, and no others', async () => {
    const { store, image } = await add();
    const paths = [image.digest, ...image.layers.map((layer) => layer.digest)].map((each) => store.blobPath(each));
    const [manifest = '', layer = ''] = paths;
    const contents = paths.map((path) => readFileSync(path));
    for (const path of paths) rmSync(path);
    {
      await using _unsynced = await store.writeBehind(paths);
      for (const [index, path] of paths.entries()) writeFileSync(path, contents[index] ?? '');
    }
    writeFileSync(layer, Buffer.alloc(readFileSync(layer).length));
    afterPowerCut(join(storeDirectory, 'unsynced'));
    const again = await ImageStore.open(storeDirectory);
    expect(existsSync(layer)).toBe(false);
    expect(existsSync(manifest)).toBe(true);
    expect(await findImage(again, 'a', platform)).toBeUndefined();
  });

  test('loses nothing that was imported: nobody could be asked for it again', async () => {
    await add();
    expect(existsSync(join(storeDirectory, 'unsynced'))).toBe(false);
  });

  test('keeps notes through a garbage collection', async () => {
    const { store, image } = await add();
    await erofsImage(image, { store });
    await collectGarbage(store);
    expect(readdirSync(join(storeDirectory, 'unsynced'))).toHaveLength(1);
  });
});

test('a directory that cannot be synced keeps its note', async () => {
  await using _unsynced = await writeBehind.begin(['tree']);
  mkdirSync(join(directory, 'tree'));
  const [name = ''] = readdirSync(notes);
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now + 2 * minute);
  writeFileSync(join(notes, `${name}.written`), readFileSync(join(notes, name)));
  vi.stubEnv('PATH', '/nonexistent');
  await writeBehind.settle();
  vi.unstubAllEnvs();
  expect(readdirSync(notes)).toContain(`${name}.written`);
  await writeBehind.settle();
  expect(readdirSync(notes)).toEqual([name]);
});
