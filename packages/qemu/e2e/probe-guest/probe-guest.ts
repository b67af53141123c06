import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianPackage, resolveGuest, writeCpio } from '@zlayer/vzagent';

const COMPILER = 'aarch64-linux-gnu-gcc';
const MODULES = [
  ...['virtio', 'virtio_ring', 'virtio_pci', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev'],
  ...['virtio_blk', 'virtio_balloon', 'virtio_net', 'net_failover', 'failover'],
];

export interface ProbeGuest {
  kernel: string;
  initramfs: string;
}

/** An arm64 guest that tells what devices it finds; see its source. Its initramfs lies in the folder. */
export async function makeProbeGuest(folder: string): Promise<ProbeGuest> {
  const { kernel, kernelVersion } = await resolveGuest({ architecture: 'arm64' });
  const init = join(folder, 'init');
  await promisify(execFile)(COMPILER, ['-static', '-Os', '-o', init, join(import.meta.dirname, 'init.c')]);
  const { root } = await debianPackage(`linux-image-${kernelVersion}`, { architecture: 'arm64' });
  const modules = await findModules(join(root, 'lib', 'modules'));
  const initramfs = join(folder, 'probe.cpio');
  const archive = writeCpio([
    { type: 'file', path: 'init', data: await readFile(init), mode: 0o755 },
    { type: 'directory', path: 'dev' },
    { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { type: 'directory', path: 'modules' },
    ...modules.map(({ name, data }) => ({ type: 'file' as const, path: `modules/${name}`, data })),
  ]);
  await writeFile(initramfs, archive);
  return { kernel, initramfs };
}

async function findModules(tree: string): Promise<{ name: string; data: Uint8Array }[]> {
  const files = await readdir(tree, { recursive: true });
  const wanted = files.filter((file) => MODULES.some((name) => file.endsWith(`/${name}.ko`)));
  return await Promise.all(
    wanted.map(async (file) => ({ name: file.replace(/.*\//, ''), data: await readFile(join(tree, file)) })),
  );
}

/** A folder that is removed at the end of its scope. */
export async function scratchFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'zlayer-probe-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
