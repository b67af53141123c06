import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture, Runtime } from '@zlayer/runtime-core';
import { CONFORMANCE_IMAGES, conformanceSuite } from '@zlayer/runtime-core/conformance';
import { type BusyboxImage, serveBusybox } from './serve-busybox.ts';
import { udpEcho } from './udp-echo.ts';

export interface GuestConformanceOptions {
  /** Of the guests. */
  architecture: Architecture;
  /** A runtime over this data directory, as often as it is asked for. */
  open(dataDir: string): Runtime;
}

/** The whole suite for a runtime of Linux guests, over guests of one architecture. */
export function guestConformance(name: string, { architecture, open }: GuestConformanceOptions): void {
  const images = { shell: '', configured: '', unknown: '', pushed: '', datagrams: '' };
  conformanceSuite({
    name: `${name} with ${architecture} guests`,
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
      const runtime = withGuests(architecture, open(dataDir));
      return {
        runtime,
        reopen: async () => withGuests(architecture, open(dataDir)),
        leftovers: (instance) => leftovers(join(dataDir, runtime.name), instance),
        dispose: async () => {
          await served[Symbol.asyncDispose]();
          await rm(dataDir, { recursive: true, force: true });
        },
      };
    },
  });
}

/** The suite names no platform: here it gets guests of one architecture, whatever the host is. */
function withGuests(architecture: Architecture, runtime: Runtime): Runtime {
  const platform = `linux/${architecture}`;
  const create = runtime.createContainer.bind(runtime);
  const getOrCreate = runtime.getOrCreateContainer.bind(runtime);
  runtime.createContainer = (id, spec, options) => create(id, { platform, ...spec }, options);
  runtime.getOrCreateContainer = (id, spec, options) => getOrCreate(id, { platform, ...spec }, options);
  return runtime;
}

/** The suite's description of an image, as the image's maker takes it. */
function imageOf({ config, files }: (typeof CONFORMANCE_IMAGES)[keyof typeof CONFORMANCE_IMAGES]): BusyboxImage {
  return { config, extra: Object.entries(files).map(([path, content]) => ({ path, content })) };
}

/** Containers of a runtime's directory whose record names this instance. */
async function leftovers(runtimeDir: string, instance: string): Promise<string[]> {
  const directory = join(runtimeDir, 'containers');
  const found: string[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const record = await readFile(join(directory, name, 'container.json'), 'utf8').catch(() => '');
    if (record.includes(instance)) found.push(join(directory, name));
  }
  return found;
}
