import type { VmDisk } from '@zlayer/host';
import type { StartSpec } from '@zlayer/vzagent-proto';

const LETTERS = 26;

/** The same start where a guest knows disks by their places alone: their serials become `/dev/vda` and so on. */
export function disksInOrder(start: StartSpec, disks: readonly VmDisk[]): StartSpec {
  const names = new Map(disks.map(({ serial }, index) => [serial, `/dev/vd${lettersOf(index)}`]));
  const nameOf = (serial: string): string => names.get(serial) ?? serial;
  const { root } = start;
  return {
    ...start,
    root: {
      ...root,
      lowerSource: root.lower === 'erofs' ? nameOf(root.lowerSource) : root.lowerSource,
      upperSource: root.upper === 'disk' ? nameOf(root.upperSource) : root.upperSource,
    },
    mounts: start.mounts.map((mount) => (mount.kind === 'disk' ? { ...mount, source: nameOf(mount.source) } : mount)),
  };
}

/** As the kernel counts: a to z, aa, ab. */
function lettersOf(index: number): string {
  const last = String.fromCharCode('a'.charCodeAt(0) + (index % LETTERS));
  return index < LETTERS ? last : lettersOf(Math.floor(index / LETTERS) - 1) + last;
}
