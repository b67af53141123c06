import { execFile } from 'node:child_process';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVolume } from './create-volume.ts';
import { makeVolumeTemplate } from './make-volume-template.ts';
import { encodeVolumeTemplate } from './volume-template.ts';

const run = promisify(execFile);
const MIB = 1024 ** 2;

describe('a volume', () => {
  let folder: string;
  let template: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-volume-'));
    template = join(folder, 'template.gz');
    await writeFile(template, await makeVolumeTemplate());
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has a template of a few kilobytes, the same bytes each time it is made', async () => {
    const bytes = await readFile(template);
    expect(bytes.length).toBeLessThan(40_000);
    expect(Buffer.from(await makeVolumeTemplate()).equals(bytes)).toBe(true);
  });

  it.each([16 * MIB, 1024 * MIB, 65536 * MIB])(
    'of %i bytes is a sound ext4, and takes next to no room',
    async (size) => {
      const path = join(folder, `sound-${size}`);
      await createVolume(path, { sizeBytes: size, template });
      const { size: length, blocks, mode } = await stat(path);
      expect(length).toBe(size);
      expect(mode & 0o777).toBe(0o600);
      expect(blocks * 512).toBeLessThan(MIB);
      // It checks every group's descriptor and the checksum of each; a fault is another exit code.
      await run('e2fsck', ['-f', '-n', path], {
        env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
      });
    },
  );

  it('of any other size begins with the largest file system that fits, for the guest to grow', async () => {
    const path = join(folder, 'between');
    await createVolume(path, { sizeBytes: 3000 * MIB + 1234, template });
    expect((await stat(path)).size).toBe(3000 * MIB);
    await using file = await open(path);
    const { buffer } = await file.read(Buffer.alloc(1024), 0, 1024, 1024);
    expect(buffer.readUInt32LE(4)).toBe((1024 * MIB) / 4096);
  });

  it('never takes the place of a file, and leaves nothing behind', async () => {
    const path = join(folder, 'data');
    await writeFile(path, 'precious');
    const refused = createVolume(path, { sizeBytes: 64 * MIB, template });
    await expect(refused).rejects.toMatchObject({ code: 'ALREADY_EXISTS', subject: path });
    expect(await readFile(path, 'utf8')).toBe('precious');
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it.each([0, -1, 16 * MIB - 1, Number.NaN, Number.POSITIVE_INFINITY])('cannot have %d bytes', async (sizeBytes) => {
    const refused = createVolume(join(folder, 'small'), { sizeBytes, template });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_SPEC', remedy: expect.stringContaining('16777216') });
  });

  it('needs a template that is one', async () => {
    const broken = join(folder, 'broken.gz');
    const attempt = () => createVolume(join(folder, 'never'), { sizeBytes: 64 * MIB, template: broken });
    await expect(attempt()).rejects.toMatchObject({ code: 'NOT_FOUND', subject: broken });
    const whole = gunzipSync(await readFile(template));
    const header = (images: unknown) =>
      Buffer.from(`${JSON.stringify({ format: 'zlayer-volume-template', version: 1, images })}\n`);
    const image = { size: 8192, ranges: [[0, 4096]] };
    const hostile = {
      'no gzip': whole,
      'cut off': gzipSync(whole.subarray(0, -1)),
      'too long': gzipSync(Buffer.concat([whole, Buffer.alloc(1)])),
      'a bomb': gzipSync(Buffer.alloc(80 * MIB)),
      'no header': gzipSync(Buffer.alloc(5000, 'x')),
      'no images': gzipSync(header([])),
      'a range behind the end': gzipSync(
        Buffer.concat([header([{ ...image, ranges: [[8192, 4096]] }]), Buffer.alloc(4096)]),
      ),
      'a negative offset': gzipSync(
        Buffer.concat([header([{ ...image, ranges: [[-4096, 4096]] }]), Buffer.alloc(4096)]),
      ),
      'a fraction': gzipSync(Buffer.concat([header([{ ...image, ranges: [[0.5, 4096]] }]), Buffer.alloc(4096)])),
      overlap: gzipSync(
        Buffer.concat([
          header([
            {
              ...image,
              ranges: [
                [4096, 4096],
                [4096, 4096],
              ],
            },
          ]),
          Buffer.alloc(8192),
        ]),
      ),
      'a size beyond numbers': gzipSync(header([{ size: 2 ** 60, ranges: [] }])),
    };
    for (const [what, bytes] of Object.entries(hostile)) {
      await writeFile(broken, bytes);
      await expect(attempt(), what).rejects.toMatchObject({ code: 'INVALID_SPEC', subject: broken });
    }
    await writeFile(broken, await encodeVolumeTemplate([{ sizeBytes: 8192, ranges: [] }]));
    await attempt();
  });

  it('is not made when the caller has given up', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    const path = join(folder, 'aborted');
    await expect(createVolume(path, { sizeBytes: 64 * MIB, template, signal })).rejects.toThrow('enough');
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
