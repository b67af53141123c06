import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { agentPath, krunInitPath, writeCpio } from '@zlayer/vzagent';

/** Where the kernel mounts its own file systems, and where ours makes a root in memory. */
const FOLDERS = ['dev', 'proc', 'sys', 'newroot'];

/**
 * Makes the folder that is the root of a guest of libkrun's kernel until our first program has left it: what libkrun's
 * kernel starts, or what libkrun's init does, and the agent.
 */
export async function makeGuestRoot(folder: string, architecture: Architecture): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const name of FOLDERS) await mkdir(join(folder, name), { recursive: true });
  const programs = {
    'init.krun': krunInitPath(architecture),
    'krun-init': krunInitPath(architecture),
    init: agentPath(architecture),
  };
  for (const [name, path] of Object.entries(programs)) {
    await copyFile(path, join(folder, name));
    await chmod(join(folder, name), 0o755);
  }
}

/** Writes an initramfs that has our first program beside what another one has: archives may follow each other. */
export async function addFirstProgram(initramfs: string, architecture: Architecture, output: string): Promise<void> {
  const data = await readFile(krunInitPath(architecture));
  const added = writeCpio([{ type: 'file', path: 'krun-init', data, mode: 0o755 }]);
  await writeFile(output, Buffer.concat([await readFile(initramfs), added]));
}
