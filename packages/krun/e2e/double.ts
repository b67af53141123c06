import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { landlockVersion } from '@zlayer/test-support';
import { resolveGuest, writeCpio } from '@zlayer/vzagent';
import { compileStatic } from '../../vzagent/build/toolchain.ts';
import type { KrunDriverOptions } from '../src/index.ts';
import { compileLibkrun } from '../test/libkrun-double.ts';

const SOURCES = join(import.meta.dirname, '../test/double');

/** Why no machine can be started here, if that is so: its process has to confine itself. */
export const withoutJail = landlockVersion() < 1 ? 'this kernel has no Landlock' : undefined;

/** A libkrun over QEMU with arm64 guests, in a folder, and Debian's kernel in the place of libkrunfw's. */
export async function krunDouble(folder: string, macros: readonly string[] = []): Promise<KrunDriverOptions> {
  const library = await compileLibkrun(join(folder, 'libkrun.so'), macros);
  const firmware = join(folder, 'firmware');
  await mkdir(firmware, { recursive: true });
  const { kernel, initramfs } = await resolveGuest({ architecture: 'arm64' });
  const first = join(folder, 'firmware-init');
  await compileStatic('arm64', ['firmware-init.c'], SOURCES, first);
  const added = writeCpio([{ type: 'file', path: 'firmware-init', data: await readFile(first), mode: 0o755 }]);
  await writeFile(join(firmware, 'kernel'), await readFile(kernel));
  // Archives may follow each other.
  await writeFile(join(firmware, 'initramfs'), Buffer.concat([await readFile(initramfs), added]));
  process.env['KRUN_DOUBLE_FIRMWARE'] = firmware;
  return { library, architecture: 'arm64', needsKvm: false };
}
