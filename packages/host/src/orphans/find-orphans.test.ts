import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../../test/node-process.ts';
import { launchHost } from '../launch-host.ts';
import { Ownership } from '../owner/ownership.ts';
import { runDirectory, socketPath } from '../run-directory.ts';
import { diskUsage } from './disk-usage.ts';
import { findOrphans, type Orphan, removeOrphan } from './find-orphans.ts';

let root: string;
let dataDirectory: string;
let base: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'orphans-'));
  dataDirectory = join(root, 'data');
  base = join(root, 'run');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const find = (minAgeMs = 0): Promise<Orphan[]> =>
  findOrphans({
    dataDirectory,
    minAgeMs,
    run: { base },
    hasRecord: async (directory) => existsSync(join(directory, 'container.json')),
  });

function container(name: string, hasRecord: boolean): string {
  const path = join(dataDirectory, 'qemu', 'containers', name);
  mkdirSync(path, { recursive: true });
  if (hasRecord) writeFileSync(join(path, 'container.json'), '{}');
  return path;
}

test('nothing is an orphan where there is nothing, or where all have a record', async () => {
  expect(await find()).toEqual([]);
  await runDirectory(container('web-0', true), { base });
  expect(await find()).toEqual([]);
});

test('a directory without a record is one, unless somebody owns it or it is young', async () => {
  const path = container('lost-0', false);
  writeFileSync(join(path, 'disk'), Buffer.alloc(1e6, 1));
  const owned = container('owned-0', false);
  await using _ = await Ownership.claim(owned);
  const [orphan, ...others] = await find();
  expect(others).toEqual([]);
  expect(orphan).toMatchObject({ kind: 'state-directory', path });
  expect(orphan?.kind === 'state-directory' && orphan.bytes).toBeGreaterThanOrEqual(1e6);
  expect(await find(60_000)).toEqual([]);
  if (orphan) await removeOrphan(orphan);
  expect(existsSync(path)).toBe(false);
  await expect(removeOrphan({ kind: 'state-directory', path: owned, bytes: 0 })).rejects.toMatchObject({
    code: 'CONFLICT',
  });
});

test('a host program whose container is gone is found and ended, with what it runs', async () => {
  const state = container('gone-0', true);
  const run = await runDirectory(state, { base });
  const host = await launchHost({
    statusFile: join(state, 'vm.json'),
    controlSocket: socketPath(run, 'control.sock'),
    runDirectory: run,
    onOwnerExit: 'keep',
    main: { name: 'main', argv: ['/bin/sleep', '1000'] },
  });
  try {
    expect(await find()).toEqual([]);
    rmSync(state, { recursive: true });
    const orphans = await find();
    const process = { pid: host.pid, startTime: host.startTime };
    expect(orphans).toEqual([{ kind: 'host', process, stateDirectory: state }]);
    for (const orphan of orphans) await removeOrphan(orphan);
    expect(await find()).toEqual([]);
    expect(existsSync(run)).toBe(false);
  } finally {
    await host.stop({ graceMs: 0 });
    host.close();
  }
});

test('a run directory that nobody uses is one, and no other', async () => {
  const stale = await runDirectory('somebody else', { base });
  const used = await runDirectory('yet another', { base });
  {
    await using _ = await NodeProcess.start('./listen-and-wait.ts', join(stale, 'control.sock'));
    await using __ = await NodeProcess.start('./listen-and-wait.ts', join(used, 'control.sock'));
    expect(await find()).toEqual([]);
  }
  await using _ = await NodeProcess.start('./listen-and-wait.ts', join(used, 'other.sock'));
  mkdirSync(join(base, 'not-ours'));
  utimesSync(stale, new Date(), new Date(Date.now() - 3_600_000));
  const orphans = await find(60_000);
  expect(orphans).toEqual([{ kind: 'run-directory', path: stale, bytes: expect.any(Number) }]);
  for (const orphan of orphans) await removeOrphan(orphan);
  expect(existsSync(stale)).toBe(false);
  expect(existsSync(used)).toBe(true);
});

test('disk usage counts blocks: no holes, and a file with two names once', async () => {
  mkdirSync(dataDirectory);
  const empty = await diskUsage(dataDirectory);
  const file = join(dataDirectory, 'a');
  writeFileSync(file, Buffer.alloc(1e6, 1));
  linkSync(file, join(dataDirectory, 'b'));
  truncateSync(file, 1e12);
  const used = (await diskUsage(dataDirectory)) - empty;
  expect(used).toBeGreaterThanOrEqual(1e6);
  expect(used).toBeLessThan(2e6);
  expect(await diskUsage(join(root, 'nowhere'))).toBe(0);
});
