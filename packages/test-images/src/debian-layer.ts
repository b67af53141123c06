import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../../.cache/test-debs/', import.meta.url));

/** What packages depend on in order to be installed, and programs do not need in order to run. */
const UNWANTED = [
  ...[
    'adduser',
    'debconf',
    'dpkg',
    'libc-bin',
    'libc-l10n',
    'libllvm14',
    'libz3-4',
    'locales',
    'openssl',
    'perl',
    'passwd',
  ],
  ...['perl-base', 'perl-modules-5.36', 'libperl5.36', 'tar', 'ucf', 'usrmerge'],
];
const EXCLUDED = ['./usr/share/doc', './usr/share/man', './usr/share/locale', './usr/share/lintian'];

/**
 * A layer of Debian packages with everything they depend on, for this machine's architecture, as a tar archive. It is
 * what their archives hold: no script of theirs has run. Made once for each list of packages.
 */
export async function debianLayer(packages: readonly string[]): Promise<Buffer> {
  const name = createHash('sha256')
    .update(JSON.stringify([packages, UNWANTED, EXCLUDED]))
    .digest('hex')
    .slice(0, 16);
  const path = join(cache, `layer-${name}.tar`);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) await make(packages, path);
  return await readFile(path);
}

async function make(packages: readonly string[], path: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'layer-'));
  try {
    const archives = join(work, 'archives');
    await mkdir(join(archives, 'partial'), { recursive: true });
    await download(packages, archives, join(work, 'status'));
    const root = join(work, 'root');
    await mkdir(root);
    for (const file of (await readdir(archives)).filter((each) => each.endsWith('.deb')).sort()) {
      if (UNWANTED.includes(file.replace(/_.*/, ''))) continue;
      await run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x -p -C "$2"', 'sh', join(archives, file), root]);
    }
    const options = ['--format=gnu', '--sort=name', '--numeric-owner', ...EXCLUDED.map((each) => `--exclude=${each}`)];
    await run('tar', ['-c', ...options, '-f', join(work, 'layer.tar'), '-C', root, '.']);
    await rename(join(work, 'layer.tar'), path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As for a machine on which nothing is installed yet. */
async function download(packages: readonly string[], archives: string, status: string): Promise<void> {
  await writeFile(status, '');
  const places = ['-o', `Dir::State::status=${status}`, '-o', `Dir::Cache::archives=${archives}`];
  const install = ['install', '-y', '-q', '--no-install-recommends', '--download-only', ...places, ...packages];
  // A list that is out of date names files that are gone.
  await run('apt-get', install).catch(async () => {
    await run('apt-get', ['update', '-q']);
    await run('apt-get', install);
  });
}
