import { execFile } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../../.cache/test-debs/', import.meta.url));

/** The first Debian release that has it. */
const SUITE = 'trixie';
const PACKAGES = ['virtiofsd', 'libc6', 'libcap-ng0', 'libgcc-s1', 'libseccomp2'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const INSTALLED = '/usr/libexec/virtiofsd';

/**
 * A folder with the virtiofsd that is written in Rust, as `virtiofsd` in it: what other systems have, and what runs without
 * root. Debian 12 does not bring it, so it comes with the loader and the libraries that it was made for. The folder is
 * made once and can be copied elsewhere.
 */
export async function rustVirtiofsd(): Promise<string> {
  const folder = join(cache, `virtiofsd-${SUITE}`);
  if (!(await isThere(folder))) await make(folder);
  return folder;
}

async function make(folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'virtiofsd-'));
  try {
    const root = join(work, 'root');
    await mkdir(root);
    if (await isThere(INSTALLED)) {
      await writeFile(join(root, 'virtiofsd'), `#!/bin/sh\nexec ${INSTALLED} "$@"\n`);
    } else {
      await unpack(work, root);
      await writeFile(join(root, 'virtiofsd'), await script(root));
    }
    for (const path of [root, join(root, 'virtiofsd')]) await chmod(path, 0o755);
    await rename(root, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** With an apt of its own: the system's knows nothing of another release. */
async function unpack(work: string, root: string): Promise<void> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const mirror = stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  if (mirror === undefined) throw new Error('apt knows no mirror of Debian: run apt-get update first');
  const settings = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await mkdir(join(work, 'state/lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(work, 'status'), '');
  await writeFile(join(work, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`);
  await run('apt-get', [...options, '-q', 'update', '-o', 'APT::Update::Error-Mode=any']);
  await run('apt-get', [...options, '-q', 'download', ...PACKAGES], { cwd: work });
  for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(work, file), root]);
  }
}

/** Runs it with its own loader, which lies in the folder of the libraries. */
async function script(root: string): Promise<string> {
  const [triplet] = (await readdir(join(root, 'usr/lib'))).filter((name) => name.endsWith('-linux-gnu'));
  if (triplet === undefined) throw new Error(`there are no libraries below ${root}`);
  const loader = (await readdir(join(root, 'usr/lib', triplet))).find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
  if (loader === undefined) throw new Error(`there is no loader below ${root}`);
  const libraries = `"$here/usr/lib/${triplet}"`;
  const program = `"$here/usr/libexec/virtiofsd"`;
  return [
    '#!/bin/sh',
    'here=$(dirname "$0")',
    `exec ${libraries}/${loader} --library-path ${libraries} ${program} "$@"`,
    '',
  ].join('\n');
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
