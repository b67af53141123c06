import { ZlayerError } from '@zlayer/runtime-core';
import { requireFile } from './require-file.ts';

const KERNEL = 'ZLAYER_VZ_LINUX_KERNEL';
const INITRAMFS = 'ZLAYER_VZ_LINUX_INITRD';
const BUNDLE = 'ZLAYER_VZ_LINUX_BUNDLE';

/**
 * The kernel and initramfs that the environment names, or nothing when it names none.
 *
 * @throws {ZlayerError} `INVALID_SPEC` when only one is named; `NOT_FOUND` when a path is no readable file. A wrong
 * override never falls through to another kernel.
 */
export async function environmentGuest(
  env: NodeJS.ProcessEnv,
): Promise<{ kernel: string; initramfs: string } | undefined> {
  const kernel = env[KERNEL] ?? '';
  const initramfs = env[INITRAMFS] ?? '';
  if (kernel === '' && initramfs === '') return undefined;
  if (kernel === '' || initramfs === '') {
    const [set, unset] = kernel === '' ? [INITRAMFS, KERNEL] : [KERNEL, INITRAMFS];
    throw new ZlayerError('INVALID_SPEC', `${set} is set and ${unset} is not`, {
      subject: unset,
      remedy: 'set both or none: an initramfs carries modules of one kernel',
    });
  }
  await requireFile(kernel, KERNEL);
  await requireFile(initramfs, INITRAMFS);
  return { kernel, initramfs };
}

/** The reference of the bundle that the environment names. An empty one counts as unset. */
export function environmentBundle(env: NodeJS.ProcessEnv): string | undefined {
  return env[BUNDLE] || undefined;
}
