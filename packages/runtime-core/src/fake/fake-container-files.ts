import { CreateFailedError } from '../errors.ts';
import { parseMemory } from '../memory.ts';
import type { ServiceSpec } from '../service-spec.ts';
import { FakeFiles, type FakeMount } from './fake-files.ts';
import type { FakeHost } from './fake-host.ts';
import type { FakeImage } from './fake-image.ts';
import type { FakeState } from './fake-state.ts';
import { type FakeVolume, MemoryVolume } from './fake-volume.ts';

const DIRECTORIES = { dev: 0o755, etc: 0o755, proc: 0o555, root: 0o700, tmp: 0o1777, var: 0o755 } as const;

/** The files of one container: those that stay over its runs, and those that are made anew for each. */
export class FakeContainerFiles {
  readonly #spec: ServiceSpec;
  readonly #root: MemoryVolume;
  readonly #lasting: ReadonlyMap<string, FakeVolume>;
  #view: FakeFiles;

  /** @throws ZlayerError `CREATE_FAILED` when something of the host cannot be mounted. */
  constructor(spec: ServiceSpec, image: FakeImage, { state, host }: { state: FakeState; host: FakeHost }) {
    this.#spec = spec;
    this.#root = rootOf(spec, image);
    this.#lasting = new Map(
      spec.storage.flatMap((mount): [string, FakeVolume][] => {
        if (mount.type === 'named') return [[mount.target, state.volume(mount.name)]];
        if (mount.type === 'anonymous') return [[mount.target, new MemoryVolume()]];
        if (mount.type === 'bind' && host.mount) return [[mount.target, mountedFrom(host.mount, mount.source)]];
        return [];
      }),
    );
    this.#view = this.#mounted();
  }

  get view(): FakeFiles {
    return this.#view;
  }

  /** Mounts everything anew, for a start. */
  remount(hostname: string): void {
    const { dns, extraHosts } = this.#spec;
    const lines = (list: readonly string[]): string => list.map((line) => `${line}\n`).join('');
    const etc: Readonly<Record<string, string>> = {
      hostname: `${hostname}\n`,
      hosts: lines([
        '127.0.0.1 localhost',
        `127.0.0.1 ${hostname}`,
        ...Object.entries(extraHosts).map(([name, address]) => `${address} ${name}`),
      ]),
      'resolv.conf': lines([
        ...(dns.search.length > 0 ? [`search ${dns.search.join(' ')}`] : []),
        ...dns.servers.map((server) => `nameserver ${server}`),
      ]),
    };
    for (const [name, text] of Object.entries(etc)) this.#root.write(`etc/${name}`, Buffer.from(text), 0o644);
    this.#view = this.#mounted();
  }

  #mounted(): FakeFiles {
    const mounts = this.#spec.storage.flatMap((mount): FakeMount[] => {
      const readOnly = 'readOnly' in mount && mount.readOnly;
      const lasting = this.#lasting.get(mount.target);
      if (lasting) return [{ target: mount.target, volume: lasting, readOnly }];
      if (mount.type !== 'tmpfs') return [];
      const limit = mount.size === undefined ? undefined : parseMemory(mount.size);
      return [{ target: mount.target, volume: new MemoryVolume({ mode: mount.mode, limit }), readOnly: false }];
    });
    return new FakeFiles({ target: '', volume: this.#root, readOnly: this.#spec.readOnlyRoot }, mounts);
  }
}

function mountedFrom(mount: (source: string) => FakeVolume, source: string): FakeVolume {
  try {
    return mount(source);
  } catch (cause) {
    throw new CreateFailedError(`${source} cannot be mounted: ${(cause as Error).message}`, { subject: source, cause });
  }
}

function rootOf({ rootfs }: ServiceSpec, { files = {}, programs }: FakeImage): MemoryVolume {
  const fill = (volume: MemoryVolume): MemoryVolume => {
    const view = new FakeFiles({ target: '', volume, readOnly: false });
    for (const [name, mode] of Object.entries(DIRECTORIES)) view.makeDirectory(`/${name}`, mode);
    const write = (path: string, text: string, mode: number): void => {
      if (!path.startsWith('/')) return;
      view.makeDirectory(path.slice(0, path.lastIndexOf('/')));
      view.write(path, text, { mode });
    };
    for (const path of Object.keys(programs)) write(path, '', 0o755);
    for (const [path, text] of Object.entries(files)) write(path, text, 0o644);
    return volume;
  };
  const whole = fill(new MemoryVolume());
  if (rootfs.size === undefined) return whole;
  return fill(new MemoryVolume({ limit: whole.used + parseMemory(rootfs.size) }));
}
