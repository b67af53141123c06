import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Place } from './place.ts';

describe('images on the command line', () => {
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  it('are pulled, listed, named, pushed and brought back, with what is under way on stderr', async () => {
    await using place = await Place.make();
    const pulled = await place.finish('pull', served.images.plain);
    expect(pulled).toMatchObject({ code: 0, stdout: `${served.images.plain}\n` });
    expect(pulled.stderr).toMatch(/^Pulling \S+\n[0-9a-f]{12} {2}[\d.]+ [KM]iB\n/);

    const name = `${served.host}/team/copy:2`;
    await place.ok('tag', served.images.plain, name);
    const listed = (await place.ok('images')).split('\n');
    expect(listed[0]).toMatch(/^REPOSITORY +TAG +DIGEST +PLATFORM +STORED +SIZE$/);
    expect(listed.slice(1).join('\n')).toMatch(new RegExp(`^${served.host}/team/copy +2 +[0-9a-f]{12} `, 'm'));

    const pushed = await place.finish('push', name);
    expect(pushed).toMatchObject({ code: 0, stdout: `${name}\n` });
    // The registry has the layers of the same image under another name.
    expect(await place.finish('push', name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: '' });

    await place.ok('rmi', name, served.images.plain);
    expect(JSON.parse(await place.ok('images', '--json'))).toEqual([]);
    expect(await place.ok('prune', '--force')).toMatch(/^Reclaimed: [1-9]/m);
    expect(await place.ok('pull', '--quiet', name)).toBe(`${name}\n`);
  });

  it('go to another machine in an archive', async () => {
    await using here = await Place.make();
    await using there = await Place.make();
    await here.ok('pull', '--quiet', served.images.plain);
    const archive = join(here.directory, 'saved.tar');
    await here.ok('save', '--output', archive, served.images.plain);
    expect((await stat(archive)).size).toBeGreaterThan(100_000);
    expect(await there.ok('load', '--input', archive)).toBe(`Loaded image: ${served.images.plain}\n`);
    const [image] = JSON.parse(await there.ok('images', '--json'));
    const [original] = JSON.parse(await here.ok('images', '--json'));
    expect(image.digest).toBe(original.digest);
  });

  it('that are not there are told by their names, and so is the disk that all of them take', async () => {
    await using place = await Place.make();
    const missing = await place.finish('push', `${served.host}/no/such:1`);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('no/such:1');
    await place.ok('pull', '--quiet', served.images.plain);
    const { disk } = JSON.parse((await place.finish('doctor', '--json')).stdout);
    expect(disk.images).toBeGreaterThan(100_000);
    expect(disk.roots).toBeGreaterThan(100_000);
    expect(disk).toMatchObject({ containers: 0, volumes: [] });
  });
});
