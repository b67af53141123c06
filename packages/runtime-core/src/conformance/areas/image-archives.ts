import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { expectError, expectReason } from '../expect-error.ts';
import type { Suite } from '../suite.ts';
import { readTar, writeTar } from '../tar.ts';

/** Images that leave the store and come back: as archives, and through a registry. Nothing is started. */
export function imageArchives(suite: Suite): void {
  suite.area('image archives and pushes', () => {
    suite.testWith('images.archive', 'a saved image is an OCI image layout of true blobs', async ({ runtime, lab }) => {
      const { digest } = await runtime.pullImage(lab.images.shell);
      const files = new Map(
        readTar(await buffer(runtime.saveImages([lab.images.shell]))).map(({ name, data }) => [name, data]),
      );
      expect(JSON.parse(textOf(files.get('oci-layout')))).toMatchObject({ imageLayoutVersion: '1.0.0' });
      expect(JSON.parse(textOf(files.get('index.json')))).toMatchObject({ schemaVersion: 2 });
      expect([...files.keys()]).toContain(`blobs/${digest.replace(':', '/')}`);
      for (const [name, data] of files) {
        const [, hex] = /^blobs\/sha256\/(.+)$/.exec(name) ?? [];
        if (hex !== undefined && data.byteLength > 0) expect(createHash('sha256').update(data).digest('hex')).toBe(hex);
      }
    });

    suite.testWith(
      ['images.archive', 'images.remove', 'images.list'],
      'an image that is saved, removed and loaded is the same under its name',
      async ({ runtime, lab }) => {
        const { configured } = lab.images;
        const { digest } = await runtime.pullImage(configured);
        const before = await runtime.inspectImage(configured);
        const archive = await buffer(runtime.saveImages([configured]));
        await runtime.removeImage(configured);
        const names = await runtime.loadImages(chunksOf(archive));
        expect(names).toHaveLength(1);
        const { createdAt: _, ...after } = await runtime.inspectImage(names[0] ?? '');
        expect(after).toMatchObject({ digest, env: before.env, entrypoint: before.entrypoint, user: before.user });
        expect(await runtime.pullImage(configured, { policy: 'never' })).toMatchObject({ digest });
      },
    );

    suite.testWith('images.archive', 'saving an unknown image fails when it is read', async ({ runtime, lab }) => {
      await expectError(buffer(runtime.saveImages([lab.images.unknown])), 'NOT_FOUND');
    });

    suite.testWith('images.archive', 'what is no archive of images is INVALID_SPEC', async ({ runtime }) => {
      const garbage = [Buffer.from('x'.repeat(2000)), writeTar([{ name: 'hello', data: Buffer.from('world') }])];
      for (const bytes of garbage) await expectError(runtime.loadImages(chunksOf(bytes)), 'INVALID_SPEC');
    });

    suite.testWith(
      'images.archive',
      'an archive with a blob that is not what its name says is refused',
      async ({ runtime, lab }) => {
        await runtime.pullImage(lab.images.shell);
        const entries = readTar(await buffer(runtime.saveImages([lab.images.shell])));
        const bad = entries.map((entry) =>
          entry.name.startsWith('blobs/') && entry.data.byteLength > 0
            ? { ...entry, data: Buffer.concat([entry.data, Buffer.from(' ')]) }
            : entry,
        );
        await expectError(runtime.loadImages(chunksOf(writeTar(bad))), 'INVALID_SPEC', 'PULL_FAILED');
      },
    );

    suite.testWith('images.archive', 'an aborted load ends with the reason of its signal', async ({ runtime }) => {
      const reason = new Error('enough');
      await expectReason(runtime.loadImages(chunksOf(Buffer.alloc(1)), { signal: AbortSignal.abort(reason) }), reason);
    });

    suite.testWith(
      ['images.push', 'images.tag', 'images.remove'],
      'an image that is pushed can be pulled by its name, and is the same',
      async ({ runtime, lab }) => {
        const { pushed = '', shell } = lab.images;
        expect(pushed, 'a runtime that declares images.push needs the reference images.pushed').not.toBe('');
        const { digest } = await runtime.pullImage(shell);
        await runtime.tagImage(shell, pushed);
        await runtime.pushImage(pushed);
        await runtime.removeImage(pushed);
        expect(await runtime.pullImage(pushed, { policy: 'always' })).toMatchObject({ digest });
        await runtime.removeImage(pushed);
      },
    );

    suite.testWith('images.push', 'pushing an unknown image is NOT_FOUND', async ({ runtime, lab }) => {
      await expectError(runtime.pushImage(lab.images.unknown), 'NOT_FOUND');
    });
  });
}

function textOf(data: Uint8Array | undefined): string {
  return Buffer.from(data ?? '{}').toString();
}

/** In pieces that end anywhere. */
async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += 10_007) yield bytes.subarray(at, at + 10_007);
}
