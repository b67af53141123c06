import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFORMANCE_IMAGES, conformanceSuite } from '@zlayer/runtime-core/conformance';
import { type BusyboxImage, serveBusybox } from '@zlayer/test-images';
import { QemuRuntime } from '../src/index.ts';

/** The suite's description of an image, as the image's maker takes it. */
function imageOf({ config, files }: (typeof CONFORMANCE_IMAGES)[keyof typeof CONFORMANCE_IMAGES]): BusyboxImage {
  return { config, extra: Object.entries(files).map(([path, content]) => ({ path, content })) };
}

/** Containers whose record names this instance. */
async function leftovers(dataDir: string, instance: string): Promise<string[]> {
  const directory = join(dataDir, 'qemu', 'containers');
  const found: string[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const record = await readFile(join(directory, name, 'container.json'), 'utf8').catch(() => '');
    if (record.includes(instance)) found.push(join(directory, name));
  }
  return found;
}

const images = { shell: '', configured: '', unknown: '' };

conformanceSuite({
  name: 'QemuRuntime',
  slow: true,
  knownGaps: {
    'an exit code above 128 is no signal':
      "the agent's protocol has one number for both (tags 1 to 14); telling them apart needs its extension",
  },
  images,
  create: async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-conformance-'));
    const served = await serveBusybox({
      architectures: ['amd64', 'arm64'],
      images: { shell: imageOf(CONFORMANCE_IMAGES.shell), configured: imageOf(CONFORMANCE_IMAGES.configured) },
    });
    Object.assign(images, served.images, { unknown: `${served.host}/no-such-image:1` });
    return {
      runtime: new QemuRuntime({ dataDir }),
      leftovers: (instance) => leftovers(dataDir, instance),
      dispose: async () => {
        await served[Symbol.asyncDispose]();
        await rm(dataDir, { recursive: true, force: true });
      },
    };
  },
});
