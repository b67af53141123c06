import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PositionedWriter } from './positioned-writer.ts';
import { bytes } from './testing/tree.ts';

test('of writes to the same place the last one stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'erofs-writes-'));
  try {
    const write = fc.record({ position: fc.nat({ max: 3000 }), length: fc.nat({ max: 2000 }), seed: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 40 }), async (writes) => {
        const path = join(folder, 'file');
        await using handle = await open(path, 'w');
        const writer = new PositionedWriter(handle, (error) => expect.fail(String(error)));
        const meant = Buffer.alloc(5000);
        let end = 0;
        for (const { position, length, seed } of writes) {
          const content = bytes(length, seed);
          writer.write(position, content);
          meant.set(content, position);
          // What was given may be changed at once.
          content.fill(0);
          if (length > 0) end = Math.max(end, position + length);
        }
        await writer.flush();
        expect((await readFile(path)).equals(meant.subarray(0, end))).toBe(true);
      }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

const isLinux = process.platform === 'linux';
test.skipIf(!isLinux)(
  'a disk that is full (Linux has one in /dev) is reported once, and nobody waits for ever',
  async () => {
    await using full = await open('/dev/full', 'w');
    const errors: unknown[] = [];
    const writer = new PositionedWriter(full, (error) => errors.push(error));
    for (let index = 0; index < 20; index++) {
      writer.write(index * 2 ** 21, bytes(2 ** 20));
      await writer.pressure;
    }
    await writer.flush();
    expect(errors).toEqual([expect.objectContaining({ code: 'ENOSPC' })]);
  },
);
