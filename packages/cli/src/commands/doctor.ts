import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { connectSupervisor, dataDirectory, findOrphans, type Orphan, removeOrphan } from '@zlayer/host';
import { defaultCacheDir } from '@zlayer/vzagent';
import { type Cli, say } from '../cli.ts';
import type { CommonOptions } from '../common-options.ts';
import { type DiskUse, diskUse } from '../disk-use.ts';
import { formatBytes } from '../format/bytes.ts';
import { formatJson } from '../format/json.ts';
import { availabilities, settingsOf } from '../runtimes.ts';
import { packageVersion } from '../version.ts';
import { action, newCommand } from './command.ts';

export function versionCommand(cli: Cli) {
  const command = newCommand('version', 'Show the versions of this program and of the supervisor, if there is one.');
  return action(cli, command, async (options: CommonOptions) => {
    const supervisor = await supervisorOf(options);
    const facts = { version: packageVersion, node: process.versions.node, supervisor };
    if (options.json) return say(cli, formatJson(facts));
    say(cli, `zlayer ${packageVersion} (Node ${process.versions.node}, ${process.platform}/${process.arch})`);
    if (supervisor) say(cli, `supervisor ${supervisor.version} (process ${supervisor.pid})`);
  });
}

export function doctorCommand(cli: Cli) {
  const command = newCommand(
    'doctor',
    'Say what works here and what does not, and find what crashes have left.',
  ).option('--clean', 'remove what crashes have left');
  return action(cli, command, async (options: CommonOptions & { clean?: boolean }) => {
    const directory = dataDirectory({ option: options.dataDir });
    const runtimes = await availabilities(options.runtime, settingsOf(options));
    const supervisor = await supervisorOf(options);
    const orphans = await findOrphans({ dataDirectory: directory, hasRecord });
    if (options.clean) for (const orphan of orphans) await removeOrphan(orphan);
    const facts = {
      version: packageVersion,
      dataDirectory: directory,
      disk: await diskUse(directory, defaultCacheDir(cli.env)),
      supervisor,
      runtimes,
      orphans,
    };
    const code = runtimes.some(({ availability }) => availability.available) ? 0 : 1;
    if (options.json) {
      say(cli, formatJson(facts));
      return code;
    }
    say(cli, `zlayer          ${packageVersion}, Node ${process.versions.node}, ${process.platform}/${process.arch}`);
    say(cli, `data directory  ${directory} (${formatBytes(facts.disk.total)})`);
    for (const line of describeUse(facts.disk)) say(cli, `${''.padEnd(16)}${line}`);
    say(
      cli,
      `supervisor      ${supervisor ? `process ${supervisor.pid}, version ${supervisor.version}` : 'not running'}`,
    );
    for (const { name, availability } of runtimes) {
      say(cli, `${name.padEnd(16)}${availability.available ? 'works' : availability.reason}`);
      const more = availability.available ? (availability.notes ?? []) : [availability.remedy];
      for (const line of more) say(cli, `${''.padEnd(16)}${line}`);
    }
    for (const orphan of orphans) say(cli, `${options.clean ? 'removed' : 'left behind'}: ${describe(orphan)}`);
    if (orphans.length > 0 && !options.clean) say(cli, 'Run "zlayer doctor --clean" to remove what was left behind.');
    return code;
  });
}

async function supervisorOf({ dataDir }: CommonOptions): Promise<{ pid: number; version: string } | undefined> {
  const client = await connectSupervisor(dataDirectory({ option: dataDir }));
  client?.close();
  return client && { pid: client.pid, version: client.version };
}

async function hasRecord(directory: string): Promise<boolean> {
  return await access(join(directory, 'container.json')).then(
    () => true,
    () => false,
  );
}

function describeUse({ images, roots, containers, logs, volumes, cache }: DiskUse): string[] {
  return [
    `images ${formatBytes(images)}, unpacked ${formatBytes(roots)}`,
    `containers ${formatBytes(containers)}, of which logs ${formatBytes(logs)}`,
    ...volumes.map(({ name, bytes, capacity }) => `volume ${name} ${formatBytes(bytes)} of ${formatBytes(capacity)}`),
    `beside it, guest kernels ${formatBytes(cache)}`,
  ];
}

function describe(orphan: Orphan): string {
  if (orphan.kind === 'host') return `process ${orphan.process.pid} of ${orphan.stateDirectory}`;
  return `${orphan.path} (${formatBytes(orphan.bytes)})`;
}
