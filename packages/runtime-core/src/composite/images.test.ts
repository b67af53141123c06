import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { RuntimeCapabilities } from '../capabilities.ts';
import { OFF, type TestRuntime, testHost } from './test-host.ts';

/** Archives that name the runtime, as the fake runtime has none. */
function archives(runtime: TestRuntime): void {
  const capabilities = runtime.capabilities.bind(runtime);
  runtime.capabilities = (): RuntimeCapabilities => {
    const all = capabilities();
    return { ...all, images: { ...all.images, archive: true } };
  };
  runtime.saveImages = (references) => Readable.from([`${runtime.name} saved `, references.join()]);
  runtime.loadImages = async (archive) => [`${runtime.name} loaded ${await buffer(Readable.from(archive))}`];
}

test('images are saved from the runtime that has all of them', async () => {
  const { runtime, vzLinux, qemu, sandbox } = testHost();
  for (const each of [vzLinux, qemu]) archives(each);
  await vzLinux.pullImage('app');
  await sandbox.pullImage('app');
  await qemu.pullImage('app');
  await qemu.tagImage('app', 'other');
  expect(String(await buffer(runtime.saveImages(['app', 'other'])))).toBe('the-qemu saved app,other');
  await expect(buffer(runtime.saveImages(['app', 'missing']))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('images are loaded into the preferred Linux VM that is available', async () => {
  const { runtime, vzLinux, qemu } = testHost({ vzLinux: { availability: OFF } });
  for (const each of [vzLinux, qemu]) archives(each);
  expect(await runtime.loadImages(Readable.from([Buffer.from('it')]))).toEqual(['the-qemu loaded it']);
});

test('an image is pushed from the first runtime that has it and can', async () => {
  const { runtime, qemu } = testHost();
  const pushed: string[] = [];
  qemu.pushImage = async (reference) => void pushed.push(reference);
  await runtime.pushImage('app');
  expect(pushed).toEqual(['app']);
});

test('archives and pushes are UNSUPPORTED when no runtime has them', async () => {
  const without = ['images.archive', 'images.push'] as const;
  const each = { without };
  const { runtime } = testHost({ vzLinux: each, qemu: each, vz: each, sandbox: each });
  const unsupported = { code: 'UNSUPPORTED' };
  await expect(buffer(runtime.saveImages(['app']))).rejects.toMatchObject(unsupported);
  await expect(runtime.loadImages(Readable.from([]))).rejects.toMatchObject(unsupported);
  await expect(runtime.pushImage('app')).rejects.toMatchObject(unsupported);
});
