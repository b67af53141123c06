// One package of Debian sid, without sid among the machine's sources: an apt of its own fetches the file, and the machine's
// apt installs it with what it depends on.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, SetupError } from './steps.mjs';

/** What earlier versions of this script have added to the machine: `apt-get update` fails when sid's mirror is out of date. */
const LEFT_BY_EARLIER = ['/etc/apt/sources.list.d/zlayer-sid.sources', '/etc/apt/preferences.d/zlayer-sid'];

const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

export function removeSidFromSources() {
  for (const file of LEFT_BY_EARLIER) rmSync(file, { force: true });
}

/** A line of sources.list for sid, from the mirror that the machine already uses. */
export function sidSource() {
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ];
  const pattern = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(\S+\/debian)\/?(?:\s|$)/m;
  const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'));
  const uri = texts.map((text) => text.match(pattern)?.[1]).find((found) => found !== undefined);
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  return `deb [signed-by=${keyring}] ${uri ?? 'http://deb.debian.org/debian'} sid main`;
}

/**
 * Fetches a package's file. A mirror that is out of date or does not answer is a `SetupError`.
 *
 * @param {string} name
 * @param {string} source a line of sources.list
 * @param {string} folder an empty one, which holds all that apt keeps
 * @returns {Promise<string>} the path of the file
 */
export async function downloadPackage(name, source, folder) {
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Sandbox::User': 'root',
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  for (const part of ['state/lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, 'status'), '');
  writeFileSync(join(folder, 'sources.list'), `${source}\n`);
  await run('apt-get', [...options, '-qq', 'update'], { env, quiet: true });
  await run('apt-get', [...options, '-qq', 'download', name], { env, quiet: true, cwd: folder });
  const file = readdirSync(folder).find((each) => each.startsWith(`${name}_`) && each.endsWith('.deb'));
  if (file === undefined) throw new SetupError(`apt-get brought no file for ${name}`);
  return join(folder, file);
}

export async function installFromSid(name) {
  const folder = mkdtempSync(join(tmpdir(), 'zlayer-sid-'));
  try {
    const file = await downloadPackage(name, sidSource(), folder);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', file], { env, quiet: true });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
