import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { anyDirectory } from './testing/any-tree.ts';
import { expectClean, extract } from './testing/erofs-utils.ts';
import { ImageReader } from './testing/image-reader.ts';
import { listMeant, writeImage } from './testing/tree.ts';

const folder = mkdtempSync(join(tmpdir(), 'erofs-properties-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const image = join(folder, 'image');

test('an image holds exactly the tree that was meant', async () => {
  await fc.assert(
    fc.asyncProperty(anyDirectory, async (root) => {
      await writeImage(image, root);
      expect(new ImageReader(image).list()).toEqual(listMeant(root));
      await expectClean(image);
    }),
    { numRuns: 100 },
  );
}, 60_000);

const isRoot = process.getuid?.() === 0;
test.skipIf(!isRoot)(
  'erofs-utils extracts exactly the tree that was meant (needs root)',
  async () => {
    await fc.assert(
      fc.asyncProperty(anyDirectory, async (root) => {
        await writeImage(image, root);
        const list = [...listMeant(root)].map(([path, { type, mode, owner, mtime, content: text }]) => {
          const kept = type === 'symlink' ? '777' : (Number.parseInt(mode, 8) & 0o1777).toString(8);
          return [path, { type, mode: kept, owner, mtime, content: text }] as const;
        });
        expect(await extract(image)).toEqual(new Map(list));
      }),
      { numRuns: 40 },
    );
  },
  60_000,
);
