import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { runCommand } from '../run-command.ts';
import { debianSources } from './sources.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const LISTS_STAY_FRESH_MS = 60 * 60 * 1000;
const REMEDY =
  'run this on Debian with apt, dpkg and debian-archive-keyring installed, or name a kernel and an initramfs yourself';

/** What apt knows about a package. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** Names of the packages it depends on, first alternatives only. */
  readonly depends: readonly string[];
}

/**
 * An apt of its own inside a folder: lists, cache, state and sources are apart from the system's, so it needs no root
 * and serves any architecture. Signatures are verified with the system's Debian keyring. One user at a time.
 */
export class AptRoot {
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;
  readonly #options: readonly string[];

  private constructor(folder: string, architecture: Architecture, signal: AbortSignal | undefined) {
    this.#folder = folder;
    this.#signal = signal;
    const settings = {
      'Dir::State': join(folder, 'state'),
      'Dir::State::lists': join(folder, 'state/lists'),
      'Dir::State::status': join(folder, 'state/status'),
      'Dir::Cache': join(folder, 'cache'),
      'Dir::Etc::sourcelist': join(folder, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferences': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
      'APT::Architecture': architecture,
      'APT::Architectures': architecture,
      'APT::Sandbox::User': 'root',
      'Acquire::Languages': 'none',
      'Acquire::Retries': '2',
    };
    this.#options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  }

  /** Prepares the folder. Nothing is fetched yet. */
  static async open(folder: string, architecture: Architecture, signal?: AbortSignal): Promise<AptRoot> {
    for (const part of ['state/lists/partial', 'cache/archives/partial']) {
      await mkdir(join(folder, part), { recursive: true });
    }
    const sources = debianSources(await readSystemSources(), await readCodename());
    const lines = sources.map(({ uri, suite }) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`);
    await writeFile(join(folder, 'sources.list'), lines.join(''));
    await writeFile(join(folder, 'state/status'), '');
    return new AptRoot(folder, architecture, signal);
  }

  /** Fetches the package lists when they are missing or older than an hour. */
  async update(force = false): Promise<void> {
    const stamp = join(this.#folder, 'updated');
    const age = await stat(stamp).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (!force && age < LISTS_STAY_FRESH_MS) return;
    // Without the option a mirror that does not answer is a warning, and old lists look like new ones.
    await this.#apt('apt-get', ['update', '-o', 'APT::Update::Error-Mode=any']);
    await writeFile(stamp, '');
  }

  /** @throws {ZlayerError} `NOT_FOUND` when there is no such package. */
  async show(name: string): Promise<PackageRecord> {
    const text = await this.#apt('apt-cache', ['show', '--no-all-versions', name]).catch((cause: unknown) => {
      if (!(cause instanceof ZlayerError) || cause.code !== 'INTERNAL') throw cause;
      throw new ZlayerError('NOT_FOUND', `Debian has no package ${name} for this architecture`, {
        subject: name,
        cause,
      });
    });
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1];
    const version = field('Version');
    if (version === undefined) throw new ZlayerError('NOT_FOUND', `Debian has no package ${name}`, { subject: name });
    const depends = (field('Depends') ?? '').split(',').map((part) => part.trim().split(/[\s|(:]/)[0] ?? '');
    return { name, version, depends: depends.filter((dependency) => dependency !== '') };
  }

  /** Downloads the package's file into `folder` and unpacks its content into `target`. */
  async unpack(record: PackageRecord, folder: string, target: string): Promise<void> {
    const wanted = `${record.name}=${record.version}`;
    await this.#apt('apt-get', ['download', wanted], folder);
    const file = (await readdir(folder)).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new ZlayerError('INTERNAL', `apt brought no file for ${wanted}`, { subject: wanted });
    await mkdir(target, { recursive: true });
    await runCommand('dpkg-deb', ['-x', join(folder, file), target], { remedy: REMEDY, signal: this.#signal });
  }

  #apt(program: string, args: readonly string[], cwd?: string): Promise<string> {
    return runCommand(program, [...this.#options, ...args], {
      cwd,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      remedy: REMEDY,
      signal: this.#signal,
    });
  }
}

async function readSystemSources(): Promise<Map<string, string>> {
  const folder = '/etc/apt/sources.list.d';
  const parts = await readdir(folder).catch(() => []);
  const paths = [
    '/etc/apt/sources.list',
    ...parts.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(folder, name)),
  ];
  const files = new Map<string, string>();
  for (const path of paths) files.set(path, await readFile(path, 'utf8').catch(() => ''));
  return files;
}

async function readCodename(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (key: string) => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(release)?.[1];
  const codename = field('VERSION_CODENAME');
  if (field('ID') === 'debian' && codename !== undefined) return codename;
  throw new ZlayerError('UNAVAILABLE', 'Debian packages can be fetched on a Debian system only', {
    subject: field('PRETTY_NAME') ?? process.platform,
    remedy: REMEDY,
  });
}
