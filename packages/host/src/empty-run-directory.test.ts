import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeProcess } from '../test/node-process.ts';
import { emptyRunDirectory } from './empty-run-directory.ts';
import { launchHost } from './launch-host.ts';
import { runDirectory, socketPath } from './run-directory.ts';

let root: string;
let stateDirectory: string;
let base: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'empty-run-'));
  stateDirectory = join(root, 'web-0');
  base = join(root, 'run');
  mkdirSync(stateDirectory);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const statusFile = (): string => join(stateDirectory, 'vm.json');
const empty = (): Promise<string> => emptyRunDirectory({ stateDirectory, statusFile: statusFile() }, { base });

test('what a killed host program has left is gone, what a living one uses is not', async () => {
  const directory = await runDirectory(stateDirectory, { base });
  const host = await launchHost({
    statusFile: statusFile(),
    controlSocket: socketPath(directory, 'control.sock'),
    runDirectory: directory,
    onOwnerExit: 'keep',
    main: { name: 'main', argv: ['/bin/sleep', '1000'] },
  });
  try {
    await using _ = await NodeProcess.start('./listen-and-wait.ts', join(directory, 'vsock.sock_1025'));
    expect(await empty()).toBe(directory);
    expect(readdirSync(directory).sort()).toEqual(['control.sock', 'vsock.sock_1025']);
    process.kill(host.pid, 'SIGKILL');
    await host.exited.catch(() => undefined);
  } finally {
    host.close();
  }
  expect(readdirSync(directory)).toContain('control.sock');
  expect(await empty()).toBe(directory);
  expect(readdirSync(directory)).toEqual([]);
});

test('nothing is taken away where nobody knows whose it is', async () => {
  const directory = await runDirectory(stateDirectory, { base });
  writeFileSync(join(directory, 'somebody.sock'), '');
  expect(await empty()).toBe(directory);
  writeFileSync(statusFile(), 'not a status');
  await empty();
  expect(readdirSync(directory)).toEqual(['somebody.sock']);
});
