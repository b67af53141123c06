import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, parsePlatform } from '@zlayer/runtime-core';
import { debianPackage } from '@zlayer/vzagent';

/** Where Debian's `busybox-static` puts its one program. */
const PLACES = ['bin/busybox', 'usr/bin/busybox'];

async function firstOf(root: string): Promise<string> {
  for (const place of PLACES) {
    const path = join(root, place);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new Error(`there is no busybox below ${root}: install the Debian package busybox-static`);
}

/** Path of a static busybox: this machine's own, or for another architecture the one of Debian's package. */
export async function busyboxProgram(architecture: Architecture, signal?: AbortSignal): Promise<string> {
  if (architecture === parsePlatform(process.arch).architecture) return firstOf('/');
  return firstOf((await debianPackage('busybox-static', { architecture, signal })).root);
}
