import { readFile } from 'node:fs/promises';
import type { LayerInput } from './image-layout.ts';
import type { TarInput } from './tar-writer.ts';

export interface BusyboxLayerOptions {
  /** Path of a static busybox of the wanted architecture. */
  busybox: string;
  /** Names that busybox answers to, as `busybox --list` prints them; each becomes a symlink in `/bin`. */
  applets: readonly string[];
  /** Entries above the usual ones. */
  extra?: readonly TarInput[] | undefined;
}

/** A small root file system: busybox with its applets, the usual directories, and the users root and nobody. */
export async function busyboxLayer({ busybox, applets, extra = [] }: BusyboxLayerOptions): Promise<LayerInput> {
  const directories = ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'run', 'sys', 'tmp', 'usr', 'usr/bin', 'var'];
  const content: TarInput[] = [
    ...directories.map((path): TarInput => ({ type: 'directory', path, mode: path === 'tmp' ? 0o1777 : 0o755 })),
    { path: 'bin/busybox', mode: 0o755, content: await readFile(busybox) },
    ...applets
      .filter((name) => name !== 'busybox' && name !== '')
      .map((name): TarInput => ({ type: 'symlink', path: `bin/${name}`, linkPath: 'busybox' })),
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' },
    { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
    ...extra,
  ];
  return { content };
}
