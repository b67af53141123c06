import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Makes an EROFS image of a folder, all of which belongs to root. */
export async function makeErofs(image: string, folder: string): Promise<void> {
  await run('mkfs.erofs', ['--all-root', '-x1', image, folder]);
}

/** Makes an ext4 disk whose file system is smaller than the disk, as one is that was made from a template. */
export async function makeExt4(image: string, megabytes: { fileSystem: number; disk: number }): Promise<void> {
  await writeFile(image, '');
  await truncate(image, megabytes.fileSystem * 1024 * 1024);
  await run('mkfs.ext4', ['-q', '-F', image]);
  await truncate(image, megabytes.disk * 1024 * 1024);
}

/** QEMU's arguments for a virtio disk with a serial number. */
export function diskArguments(serial: string, image: string, { readonly = false } = {}): string[] {
  const access = readonly ? 'readonly=on' : 'readonly=off,discard=unmap';
  return [
    ...['-drive', `if=none,id=disk-${serial},format=raw,file=${image},${access}`],
    ...['-device', `virtio-blk-pci,drive=disk-${serial},serial=${serial}`],
  ];
}
