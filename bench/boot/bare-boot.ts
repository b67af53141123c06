import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { compileStatic } from '../../packages/vzagent/build/toolchain.ts';
import { Machine, type MachineOptions } from '../../packages/vzagent/e2e/testing/machine.ts';
import { writeCpio } from '../../packages/vzagent/src/index.ts';

/** An initramfs with nothing but an init of one line. It lies in the folder. */
export async function makeBareInitramfs(architecture: Architecture, folder: string): Promise<string> {
  const init = join(folder, 'init');
  await compileStatic(architecture, ['init.c'], import.meta.dirname, init);
  const path = join(folder, 'bare.cpio');
  const archive = writeCpio([
    { type: 'file', path: 'init', data: await readFile(init), mode: 0o755 },
    { type: 'directory', path: 'dev' },
    { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  ]);
  await writeFile(path, archive);
  return path;
}

/** Milliseconds from QEMU's launch until the init of `makeBareInitramfs` has said so on the serial port. */
export async function bareBoot(options: MachineOptions): Promise<number> {
  await using machine = await Machine.launch({ ...options, withoutAgentWords: true });
  return (await machine.prints('user space')) - machine.launched;
}
