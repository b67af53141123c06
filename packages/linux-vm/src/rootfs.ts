import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmDisk, VmShare } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import { type Cancellable, parseMemory, type ServiceSpec } from '@zlayer/runtime-core';
import type { StartSpec } from '@zlayer/vzagent-proto';
import type { ImageLibrary } from './image-library.ts';
import { makeVolume } from './make-volume.ts';

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
}

/**
 * The image, read-only and shared by all containers of it, as a block device or as a directory; above it what is
 * written: in the guest's memory, or with `rootfs.size` on a disk of that size.
 */
export async function prepareRootfs({ images, image, spec, directory, signal }: RootfsOptions): Promise<Rootfs> {
  const upper = await prepareUpper(spec, directory, signal);
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

async function prepareUpper(
  { rootfs: { size } }: RootfsOptions['spec'],
  directory: string,
  signal: AbortSignal | undefined,
): Promise<{ disks: VmDisk[]; root: Pick<StartSpec['root'], 'upper' | 'upperSource' | 'upperBytes'> }> {
  if (size === undefined) return { disks: [], root: { upper: 'tmpfs', upperSource: '', upperBytes: null } };
  const path = join(directory, `${UPPER}.ext4`);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) await makeVolume(path, parseMemory(size), { signal });
  return {
    disks: [{ path, readOnly: false, serial: UPPER }],
    root: { upper: 'disk', upperSource: UPPER, upperBytes: null },
  };
}
