import { join } from 'node:path';
import type { VmDisk, VmShare } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import { type Cancellable, parseMemory, type ServiceSpec } from '@zlayer/runtime-core';
import type { StartSpec } from '@zlayer/vzagent-proto';
import { ensureVolume } from './ensure-volume.ts';
import type { ImageLibrary } from './image-library.ts';

const NAME = 'rootfs';
const UPPER = 'rootfs-upper';

/** The root of a container: what the machine needs for it, and how the guest puts it together. */
export interface Rootfs {
  disks: readonly VmDisk[];
  shares: readonly VmShare[];
  root: StartSpec['root'];
}

export interface RootfsOptions extends Cancellable {
  images: ImageLibrary;
  image: StoredImage;
  spec: Pick<ServiceSpec, 'rootfs' | 'readOnlyRoot'>;
  /** The container's directory: a layer of a given size is kept there. */
  directory: string;
  /** What such a layer is made from, if there is anything. */
  volumeTemplate: string | undefined;
}

/**
 * The image, read-only and shared by all containers of it, as a block device or as a directory; above it what is
 * written: in the guest's memory, or with `rootfs.size` on a disk of that size.
 */
export async function prepareRootfs(options: RootfsOptions): Promise<Rootfs> {
  const { images, image, spec, signal } = options;
  const upper = await prepareUpper(options);
  const root = { lowerSource: NAME, ...upper.root, readonly: spec.readOnlyRoot };
  if (spec.rootfs.type === 'virtiofs') {
    const path = await images.rootDirectory(image, { signal });
    return { disks: upper.disks, shares: [{ tag: NAME, path, readOnly: true }], root: { lower: 'share', ...root } };
  }
  const path = await images.rootImage(image, { signal });
  return {
    disks: [{ path, readOnly: true, serial: NAME }, ...upper.disks],
    shares: [],
    root: { lower: 'erofs', ...root },
  };
}

async function prepareUpper({ spec, directory, volumeTemplate, signal }: RootfsOptions): Promise<{
  disks: VmDisk[];
  root: Pick<StartSpec['root'], 'upper' | 'upperSource' | 'upperBytes'>;
}> {
  const { size } = spec.rootfs;
  if (size === undefined) return { disks: [], root: { upper: 'tmpfs', upperSource: '', upperBytes: null } };
  const path = join(directory, `${UPPER}.ext4`);
  await ensureVolume(path, { sizeBytes: parseMemory(size), template: volumeTemplate, signal });
  return {
    disks: [{ path, readOnly: false, serial: UPPER }],
    root: { upper: 'disk', upperSource: UPPER, upperBytes: null },
  };
}
