import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { ZlayerError } from '@zlayer/runtime-core';

const KERNEL = 'ZLAYER_VZ_LINUX_KERNEL';
const INITRAMFS = 'ZLAYER_VZ_LINUX_INITRD';

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
  await requireFile(KERNEL, kernel);
  await requireFile(INITRAMFS, initramfs);
  return { kernel, initramfs };
}

async function requireFile(variable: string, path: string): Promise<void> {
  try {
    const { isFile } = await stat(path).then((found) => ({ isFile: found.isFile() }));
    if (!isFile) throw new Error('it is no regular file');
    await access(path, constants.R_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ZlayerError('NOT_FOUND', `${variable} names ${path}, which cannot be used: ${reason}`, {
      subject: path,
      remedy: `correct ${variable} or unset it`,
      cause,
    });
  }
}
