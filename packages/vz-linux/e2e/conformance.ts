import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture, Cancellable, ContainerId, CreatedContainer, ServiceSpecInput } from '@zlayer/runtime-core';
import { CONFORMANCE_IMAGES, conformanceSuite } from '@zlayer/runtime-core/conformance';
import { type BusyboxImage, serveBusybox } from '@zlayer/test-images';
import { udpEcho } from '../../qemu/e2e/udp-echo.ts';
import { VzLinuxRuntime } from '../src/index.ts';
import { DOUBLE } from './double.ts';

/** The suite names no platform: here it gets guests of one architecture, whatever the host is. */
class RuntimeOf extends VzLinuxRuntime {
  readonly #architecture: Architecture;

  constructor(dataDir: string, architecture: Architecture) {
    super({ dataDir, ...DOUBLE });
    this.#architecture = architecture;
  }

  override createContainer(id: ContainerId, spec: ServiceSpecInput, options?: Cancellable): Promise<CreatedContainer> {
    return super.createContainer(id, { platform: `linux/${this.#architecture}`, ...spec }, options);
  }

  override getOrCreateContainer(
    id: ContainerId,
    spec: ServiceSpecInput,
    options?: Cancellable,
  ): Promise<CreatedContainer> {
    return super.getOrCreateContainer(id, { platform: `linux/${this.#architecture}`, ...spec }, options);
  }
}

/** The whole suite, over guests of one architecture. */
export function conformanceOf(architecture: Architecture): void {
  const images = { shell: '', configured: '', unknown: '', pushed: '', datagrams: '' };
  conformanceSuite({
    name: `VzLinuxRuntime with ${architecture} guests`,
    slow: true,
    images,
    create: async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-conformance-'));
      const served = await serveBusybox({
        architectures: ['amd64', 'arm64'],
        images: {
          shell: imageOf(CONFORMANCE_IMAGES.shell),
          configured: imageOf(CONFORMANCE_IMAGES.configured),
          datagrams: {
            config: { Cmd: ['/udp-echo'] },
            extra: [{ path: 'udp-echo', content: await udpEcho(architecture), mode: 0o755 }],
          },
        },
      });
      Object.assign(images, served.images, {
        pushed: `${served.host}/pushed:1`,
        unknown: `${served.host}/no-such-image:1`,
      });
      return {
        runtime: new RuntimeOf(dataDir, architecture),
        reopen: async () => new RuntimeOf(dataDir, architecture),
        leftovers: (instance) => leftovers(dataDir, instance),
        dispose: async () => {
          await served[Symbol.asyncDispose]();
          await rm(dataDir, { recursive: true, force: true });
        },
      };
    },
  });
}

/** The suite's description of an image, as the image's maker takes it. */
function imageOf({ config, files }: (typeof CONFORMANCE_IMAGES)[keyof typeof CONFORMANCE_IMAGES]): BusyboxImage {
  return { config, extra: Object.entries(files).map(([path, content]) => ({ path, content })) };
}

/** Containers whose record names this instance. */
async function leftovers(dataDir: string, instance: string): Promise<string[]> {
  const directory = join(dataDir, 'vz-linux', 'containers');
  const found: string[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const record = await readFile(join(directory, name, 'container.json'), 'utf8').catch(() => '');
    if (record.includes(instance)) found.push(join(directory, name));
  }
  return found;
}
