import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { debianPackage } from '../../src/debian/debian-packages.ts';

const APPLETS = [
  ...['cat', 'chmod', 'cut', 'date', 'dd', 'echo', 'env', 'false', 'grep', 'head', 'hostname', 'id', 'kill', 'ls'],
  ...['mkdir', 'mknod', 'mount', 'printf', 'ps', 'pwd', 'readlink', 'seq', 'sh', 'sha256sum', 'sleep', 'stat'],
  ...['touch', 'tr', 'true', 'uname', 'unshare', 'wc', 'yes', 'setsid', 'nproc', 'od', 'rm', 'ln', 'ifconfig', 'ping'],
];

const PASSWD = ['root:x:0:0:root:/root:/bin/sh', 'alice:x:1000:1001:Alice:/home/alice:/bin/sh', 'broken line'];
const GROUPS = ['root:x:0:', 'alice:x:1001:', 'wheel:x:10:root,alice', 'video:x:44:', 'disk:x:6:bob'];

/** Makes a folder that is a container's root: Debian's static busybox and a few files to test with. */
export async function makeContainerRoot(folder: string, architecture: Architecture): Promise<void> {
  const { root } = await debianPackage('busybox-static', { architecture });
  for (const part of ['bin', 'etc', 'tmp', 'root']) await mkdir(join(folder, part), { recursive: true });
  await chmod(folder, 0o755);
  await chmod(join(folder, 'tmp'), 0o1777);
  await copyFile(join(root, 'bin/busybox'), join(folder, 'bin/busybox'));
  await chmod(join(folder, 'bin/busybox'), 0o755);
  for (const applet of APPLETS) await symlink('busybox', join(folder, 'bin', applet));
  await writeFile(join(folder, 'etc/passwd'), `${PASSWD.join('\n')}\n`);
  await writeFile(join(folder, 'etc/group'), `${GROUPS.join('\n')}\n`);
  await writeFile(join(folder, 'bin/not-executable'), '#!/bin/sh\n', { mode: 0o644 });
  await writeFile(join(folder, 'bin/no-interpreter'), '#!/no/such/program\n', { mode: 0o755 });
  await writeFile(join(folder, 'bin/no-format'), 'echo this has no first line\n', { mode: 0o755 });
}
