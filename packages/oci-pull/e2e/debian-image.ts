import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type LayerInput, type TarInput, writeTar } from '../src/testing/index.ts';

const run = promisify(execFile);

const cache = fileURLToPath(new URL('../../../.cache/test-debs/', import.meta.url));

/** perl-base has hard links; passwd, login, mount and util-linux have setuid and setgid files. */
const packages = [
  'base-files',
  'bash',
  'coreutils',
  'dash',
  'dpkg',
  'libc-bin',
  'libc6',
  'login',
  'mount',
  'passwd',
  'perl-base',
  'tzdata',
  'util-linux',
];

/**
 * Layers made of Debian packages, with all that makes layers hard: merged /usr, hard links over layers, whiteouts, an
 * opaque directory, changes of type in both directions, setuid files, devices, long and foreign names.
 */
export async function debianLayers(workDirectory: string, lastCompression: 'gzip' | 'zstd'): Promise<LayerInput[]> {
  const archive = join(workDirectory, 'base.tar');
  await makeBase(workDirectory, archive);
  return [
    { content: await readFile(archive), compression: 'gzip' },
    { content: writeTar(changes), compression: 'none' },
    { content: writeTar(changesBack), compression: lastCompression },
  ];
}

async function makeBase(workDirectory: string, archive: string): Promise<void> {
  if (await exists(archive)) return;
  const root = join(workDirectory, 'base');
  await mkdir(join(root, 'usr'), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', name));
    await symlink(`usr/${name}`, join(root, name));
  }
  for (const file of await debianPackages()) {
    const unpack = 'dpkg-deb --fsys-tarfile "$1" | tar -x -p --keep-directory-symlink -C "$2"';
    await run('sh', ['-c', unpack, 'sh', file, root]);
  }
  await run('tar', ['-c', '--format=gnu', '--sort=name', '--numeric-owner', '-f', archive, '-C', root, '.']);
  await rm(root, { recursive: true });
}

/** Downloads what is missing in the cache; nothing once it is full. */
async function debianPackages(): Promise<string[]> {
  await mkdir(cache, { recursive: true });
  const cached = async () => {
    const files = await readdir(cache);
    return packages.map((name) => files.find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb')));
  };
  const missing = (await cached()).flatMap((file, index) => (file === undefined ? [packages[index] ?? ''] : []));
  if (missing.length > 0) {
    const fresh = await mkdtemp(join(cache, 'download-'));
    const download = () => run('apt-get', ['download', '-q', ...missing], { cwd: fresh });
    try {
      // A list that is out of date names files that are gone.
      await download().catch(async () => {
        await run('apt-get', ['update', '-q']);
        await download();
      });
      for (const file of await readdir(fresh)) await rename(join(fresh, file), join(cache, file));
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }
  return (await cached()).map((file, index) => {
    if (file === undefined) throw new Error(`the package ${packages[index]} could not be downloaded`);
    return join(cache, file);
  });
}

const long = `opt/${'long-directory-name-'.repeat(6)}/${'long-file-name-'.repeat(12)}`;

const changes: TarInput[] = [
  // Hidden: a file, a whole directory, and one name of a hard-linked file.
  { path: 'usr/bin/.wh.base64' },
  { path: 'usr/share/.wh.zoneinfo' },
  { path: 'usr/bin/.wh.perl' },
  // Opaque, with siblings before and after the marker that must stay.
  { type: 'directory', path: 'usr/share/doc/', mode: 0o750 },
  { path: 'usr/share/doc/before', content: 'before\n' },
  { path: 'usr/share/doc/.wh..wh..opq' },
  { type: 'directory', path: 'usr/share/doc/bash/' },
  { path: 'usr/share/doc/bash/after', content: 'after\n' },
  // A file becomes a directory, a directory a file, a symlink a directory, a file a symlink.
  { type: 'directory', path: 'etc/debian_version/', mode: 0o711 },
  { path: 'etc/debian_version/inside', content: 'inside\n' },
  { path: 'usr/share/base-files', content: 'no longer a directory\n' },
  { type: 'directory', path: 'etc/os-release/' },
  { type: 'symlink', path: 'etc/issue', linkPath: '../../../../../../etc/issue.net' },
  // Through the symlink /lib to /usr/lib.
  { path: 'lib/through-a-symlink', content: 'in usr/lib\n' },
  { type: 'hardlink', path: 'lib/linked-through-a-symlink', linkPath: 'bin/bash' },
  // Hard links into the layer below and within this one.
  { type: 'hardlink', path: 'usr/bin/cat-again', linkPath: 'usr/bin/cat' },
  { type: 'hardlink', path: './usr/bin/cat-thrice', linkPath: '/usr/bin/cat-again' },
  { path: 'usr/bin/new-setuid', mode: 0o4755, uid: 0, gid: 42, content: '#!/bin/sh\n' },
  { path: 'usr/bin/new-setgid', mode: 0o2755, uid: 1234, gid: 5678, content: '#!/bin/sh\n' },
  { type: 'directory', path: 'var/shared', mode: 0o3777, uid: 65534, gid: 65534 },
  { type: 'directory', path: 'opt/closed', mode: 0o555 },
  { path: 'opt/closed/file', mode: 0o400, content: 'in a directory that cannot be written to\n' },
  { path: 'opt/no/directory/entries/above', content: 'implied\n' },
  { path: long, content: 'long\n' },
  { type: 'symlink', path: 'opt/long-link', linkPath: `/${long}` },
  { path: 'opt/naïve-文件-🐧', content: 'UTF-8\n' },
  { path: 'opt/with a space and\na newline', content: 'odd\n' },
  { type: 'character', path: 'dev/null', mode: 0o666, deviceMajor: 1, deviceMinor: 3 },
  { type: 'block', path: 'dev/loop7', mode: 0o660, gid: 6, deviceMajor: 7, deviceMinor: 7 },
  { type: 'fifo', path: 'run/fifo', mode: 0o622 },
  { path: 'opt/written-twice', content: 'first\n' },
  { path: 'opt/written-twice', content: 'second\n', mode: 0o600 },
  { path: 'opt/old', content: 'old\n', mtime: 1 },
];

const changesBack: TarInput[] = [
  { path: 'etc/debian_version', content: 'a file again\n' },
  { type: 'directory', path: 'usr/share/base-files/' },
  { path: 'usr/share/base-files/back', content: 'a directory again\n' },
  { path: 'opt/closed/another', content: 'later\n' },
  { path: 'opt/closed/.wh.file' },
  // One name of a hard-linked file gets other content; the other names keep theirs.
  { path: 'usr/bin/cat-again', content: 'no longer cat\n', mode: 0o755 },
  { path: 'var/.wh.shared' },
  { type: 'directory', path: 'var/shared', mode: 0o700 },
];

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
