import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { moduleName, readModuleInfo } from './modinfo.ts';
import { withoutSignature } from './module-signature.ts';

/** A module to load, and on what condition. */
export interface WantedModule {
  readonly name: string;
  /** Load it only when the machine has a virtio device of this type (the virtio specification's device id). */
  readonly virtioType?: number;
}

/** What must be loaded before the agent can listen. virtio-console is here because it may carry the boot's messages. */
export const MODULES_BEFORE_LISTENING: readonly WantedModule[] = [
  { name: 'virtio_pci' },
  { name: 'vmw_vsock_virtio_transport' },
  { name: 'virtio_console', virtioType: 3 },
];

/** What is loaded while the host already connects. */
export const MODULES_AFTER_LISTENING: readonly WantedModule[] = [
  { name: 'virtio_net', virtioType: 1 },
  { name: 'virtiofs', virtioType: 26 },
  { name: 'overlay' },
  { name: 'virtio_blk', virtioType: 2 },
  { name: 'erofs', virtioType: 2 },
  { name: 'virtio_rng', virtioType: 4 },
  { name: 'virtio_balloon', virtioType: 5 },
];

/** What few guests need: each has a list of its own, which the agent loads when it is asked for what it brings. */
export const MODULES_ON_DEMAND = ['wireguard', 'binfmt_misc', 'qemu_fw_cfg'] as const;

/** Modules as an initramfs carries them. */
export interface ModuleSet {
  /** Every module once: file name to content. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The list of `MODULES_BEFORE_LISTENING` and what they need, in load order, in the agent's format. */
  readonly beforeListening: string;
  /** The same for `MODULES_AFTER_LISTENING`. */
  readonly afterListening: string;
  /** A list for each of `MODULES_ON_DEMAND`, by its name. */
  readonly onDemand: ReadonlyMap<string, string>;
}

/** Where modules lie in the initramfs. */
export const MODULE_FOLDER = '/lib/modules';

/**
 * Collects the wanted modules and everything they depend on from an unpacked kernel package.
 *
 * @param tree the folder `lib/modules/VERSION` of the package.
 * @throws {ZlayerError} `NOT_FOUND` when the kernel has a module neither built in nor in the tree.
 */
export async function collectModules(tree: string): Promise<ModuleSet> {
  const available = await findModules(tree);
  const builtIn = await readBuiltIn(tree);
  const files = new Map<string, Uint8Array>();
  const listed = new Set<string>();

  async function closure(name: string, chain: readonly string[]): Promise<string[]> {
    if (builtIn.has(name)) return [];
    const path = available.get(name);
    if (path === undefined || chain.includes(name)) throw missing(name, tree, chain);
    const file = basename(path);
    const content = files.get(file) ?? withoutSignature(await readFile(path));
    files.set(file, content);
    const before: string[] = [];
    for (const dependency of readModuleInfo(content, path).depends) {
      before.push(...(await closure(dependency, [...chain, name])));
    }
    return [...new Set([...before, file])];
  }

  async function list(wanted: readonly WantedModule[]): Promise<string> {
    const lines: string[] = [];
    for (const { name, virtioType } of wanted) {
      for (const file of await closure(name, [])) {
        // A line without a condition holds for everything behind it; one with a condition only for its own device.
        if (listed.has(file)) continue;
        if (virtioType === undefined) listed.add(file);
        const condition = virtioType === undefined ? '' : `virtio:${virtioType} `;
        lines.push(`${condition}${MODULE_FOLDER}/${file}\n`);
      }
    }
    return lines.join('');
  }

  const beforeListening = await list(MODULES_BEFORE_LISTENING);
  const afterListening = await list(MODULES_AFTER_LISTENING);
  const onDemand = new Map<string, string>();
  for (const name of MODULES_ON_DEMAND) {
    const lines = (await closure(name, [])).map((file) => `${MODULE_FOLDER}/${file}\n`);
    onDemand.set(name, lines.join(''));
  }
  return { files, beforeListening, afterListening, onDemand };
}

async function findModules(tree: string): Promise<Map<string, string>> {
  const entries = await readdir(join(tree, 'kernel'), { recursive: true, withFileTypes: true });
  const modules = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ko'));
  return new Map(modules.map((entry) => [nameOf(entry.name), join(entry.parentPath, entry.name)]));
}

async function readBuiltIn(tree: string): Promise<Set<string>> {
  const list = await readFile(join(tree, 'modules.builtin'), 'utf8');
  return new Set(list.split('\n').map(nameOf));
}

function nameOf(path: string): string {
  return moduleName(basename(path, '.ko'));
}

function missing(name: string, tree: string, chain: readonly string[]): ZlayerError {
  const need = chain.length === 0 ? '' : `, needed by ${chain.join(' → ')}`;
  return new ZlayerError('NOT_FOUND', `the kernel has no usable module ${name}${need}`, {
    subject: tree,
    remedy: 'use a kernel with virtio, vsock, virtiofs, overlayfs, EROFS and WireGuard, built in or as modules',
  });
}
