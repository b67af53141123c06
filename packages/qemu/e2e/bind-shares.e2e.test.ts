import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { rustVirtiofsd, type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';
import { OrdinaryUser, ordinaryUsersCanRun } from './ordinary-user.ts';
import { machineProcesses } from './processes.ts';

const canRunAsUser = await ordinaryUsersCanRun();
const id = { service: 'bind', replica: 0 };
/** The one in C, which is part of QEMU 7.2. */
const IN_C = '/usr/lib/qemu/virtiofsd';
/** How long a guest trusts what it knows of a file (a second), and time for a busy machine. */
const SEEN_WITHIN_MS = 3000;
const FILES = 3000;
/** `ZLAYER_WALK_FILES=50000` is the long form, which takes minutes with an emulated processor. */
const MANY_FILES = Number(process.env['ZLAYER_WALK_FILES'] ?? 16_000);
const FILES_OF_A_FOLDER = 500;
/** Four times as many as the guest may remember before it has to forget. */
const DESCRIPTORS = Math.min(MANY_FILES * 0.6, 20_000);
/** What a server holds for itself and for what is open at the moment. */
const FEW = 200;

const servers = [
  { name: 'in C', program: async () => IN_C, remembers: FILES, isThere: existsSync(IN_C) },
  { name: 'in Rust', program: async () => join(await rustVirtiofsd(), 'virtiofsd'), remembers: 0, isThere: true },
];

describe.skipIf(process.getuid?.() !== 0)('a folder of the host (files of any owner need root)', () => {
  let place: string;
  let shared: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'zlayer-binds-'));
    shared = join(place, 'shared');
    await mkdir(shared);
    served = await serveBusybox({ architectures: ['arm64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(place, { recursive: true, force: true });
  });

  const spec = (more: Partial<ServiceSpecInput> = {}): ServiceSpecInput => ({
    image: served.images.plain,
    platform: 'linux/arm64',
    command: { args: ['sleep', '10000'] },
    storage: [{ type: 'bind', source: shared, target: '/shared' }],
    ...more,
  });

  const makeTree = async (files: number): Promise<AsyncDisposable> => {
    const tree = join(shared, 'tree');
    for (let file = 0; file < files; file += 1) {
      const folder = join(tree, String(Math.floor(file / FILES_OF_A_FOLDER)));
      if (file % FILES_OF_A_FOLDER === 0) await mkdir(folder, { recursive: true });
      await writeFile(join(folder, String(file)), 'x\n');
    }
    return { [Symbol.asyncDispose]: () => rm(tree, { recursive: true }) };
  };

  describe.each(servers)('served by the virtiofsd $name', ({ program, remembers, isThere }) => {
    let runtime: QemuRuntime;

    beforeAll(async () => {
      if (isThere)
        runtime = new QemuRuntime({ dataDir: join(place, 'data'), programs: { virtiofsd: await program() } });
    });
    afterEach(() => runtime?.removeContainer(id, { force: true }));
    afterAll(() => runtime?.close());

    const start = async (more?: Partial<ServiceSpecInput>): Promise<void> => {
      await runtime.createContainer(id, spec(more));
      await runtime.startContainer(id);
    };
    const sh = async (script: string): Promise<string> => {
      const { exitCode, stdoutText, stderrText } = await runtime.exec(id, ['sh', '-c', script]);
      expect({ exitCode, stderrText }).toEqual({ exitCode: 0, stderrText: '' });
      return stdoutText;
    };

    it.skipIf(!isThere)('shows a guest what the host writes while the guest reads', async () => {
      await start();
      /** Milliseconds until a guest that reads again and again sees what the host has just done. */
      const seenAfter = async (script: string, change: () => Promise<void>): Promise<number> => {
        const seen = sh(script);
        await delay(500);
        const began = performance.now();
        await change();
        await seen;
        return performance.now() - began;
      };
      const file = join(shared, 'file');
      await writeFile(file, 'begin\n');
      const times = {
        'grows, and stays open': await seenAfter(
          'exec 3</shared/file; until [ "$line" = grown ]; do read -r line <&3 || sleep 0.05; done',
          () => appendFile(file, 'grown\n'),
        ),
        'grows, and is read anew': await seenAfter('until grep -q more /shared/file; do sleep 0.05; done', () =>
          appendFile(file, 'more\n'),
        ),
        'is written over': await seenAfter('until grep -q BEGIN /shared/file; do sleep 0.05; done', async () => {
          const text = await readFile(file, 'utf8');
          await writeFile(file, text.toUpperCase(), { flag: 'r+' });
        }),
        'is put in the place of another': await seenAfter(
          'until grep -q other /shared/file; do sleep 0.05; done',
          async () => {
            await writeFile(join(shared, 'new'), 'other\n');
            await rename(join(shared, 'new'), file);
          },
        ),
        'is new': await seenAfter('until [ -e /shared/late ]; do sleep 0.05; done', () =>
          writeFile(join(shared, 'late'), ''),
        ),
        'is gone': await seenAfter('while [ -e /shared/late ]; do sleep 0.05; done', () => rm(join(shared, 'late'))),
      };
      console.log('seen after, in ms: a file that', times);
      for (const [what, time] of Object.entries(times)) expect(time, what).toBeLessThan(SEEN_WITHIN_MS);
    });

    it.skipIf(!isThere)(
      'takes no descriptors of this process for a walk over thousands of files, and gives back those of its own',
      { timeout: 600_000 },
      async () => {
        await using _tree = await makeTree(FILES);
        await start({ resources: { memory: '512Mi' }, capabilities: { add: ['SYS_ADMIN'] } });
        const state = join(place, 'data', 'qemu', 'containers', 'bind-0');
        const own = async () => (await readdir('/proc/self/fd')).length;
        const before = await own();
        expect(await descriptorsOfServer(state)).toBeLessThan(FEW);
        expect(await sh('find /shared/tree -type f -exec cat {} + | wc -l')).toBe(`${FILES}\n`);
        const held = await descriptorsOfServer(state);
        console.log(`descriptors after a walk over ${FILES} files: ${held}, and ${await own()} of this process`);
        expect(held).toBeGreaterThanOrEqual(remembers);
        expect(held).toBeLessThan(remembers + FILES / FILES_OF_A_FOLDER + FEW);
        expect(await own()).toBeLessThanOrEqual(before + 2);
        // The guest forgets them, as it does when it needs the memory.
        await sh('mount -o remount,rw /proc/sys && echo 2 > /proc/sys/vm/drop_caches');
        await expect.poll(() => descriptorsOfServer(state), { timeout: 20_000 }).toBeLessThan(FEW);
      },
    );

    it.skipIf(!isThere)(
      'lets a guest walk over more files than it can have descriptors',
      { timeout: 1_200_000 },
      async () => {
        await using _tree = await makeTree(MANY_FILES);
        // For good: the tests of this file have a process of their own, and need no more.
        await promisify(execFile)('prlimit', ['--pid', String(process.pid), `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`]);
        await start({ resources: { memory: '512Mi' } });
        expect(await sh('find /shared/tree -type f -exec cat {} + | wc -l')).toBe(`${MANY_FILES}\n`);
        console.log(`descriptors after it: ${await descriptorsOfServer(join(place, 'data/qemu/containers/bind-0'))}`);
        expect(await sh('find /shared/tree -type f | wc -l')).toBe(`${MANY_FILES}\n`);
      },
    );
  });

  describe.skipIf(!canRunAsUser)('of an ordinary user (who has to be able to read this checkout)', () => {
    it('can be written to by all users of a guest, and what they make is the user’s', async () => {
      await using user = await OrdinaryUser.make(4321, 'arm64');
      await using container = await user.start(
        spec({ storage: [{ type: 'bind', source: user.share, target: '/shared' }] }),
      );
      const sh = async (script: string): Promise<string> => {
        const { stdoutText, stderrText } = await container.exec('sh', '-c', script);
        return stdoutText + stderrText;
      };
      expect(
        await sh('chmod 777 /shared; echo root > /shared/root; su -s /bin/sh nobody -c "echo nobody > /shared/nobody"'),
      ).toBe('');
      expect(await sh('cat /shared/nobody; stat -c "%u:%g" /shared /shared/root /shared/nobody')).toBe(
        'nobody\n4321:4321\n4321:4321\n4321:4321\n',
      );
      // An owner is taken without a word, and not kept.
      expect(await sh('chown 901:901 /shared/root && stat -c %u /shared/root')).toBe('4321\n');
      expect(
        await sh(
          'chmod 640 /shared/root; ln -s root /shared/link; ln /shared/root /shared/second; mkfifo /shared/pipe',
        ),
      ).toBe('');
      expect((await stat(join(user.share, 'second'))).mode & 0o777).toBe(0o640);
      expect(await sh('mknod /shared/device c 1 3')).toContain('not permitted');
      expect(await container.stop()).toMatchObject({ exitCode: 143 });
      expect((await readdir(user.share)).sort()).toEqual(['link', 'nobody', 'pipe', 'root', 'second']);
      expect((await stat(join(user.share, 'nobody'))).uid).toBe(4321);
    });
  });
});

/** Descriptors of the server of a machine's share, and of its children. */
async function descriptorsOfServer(state: string): Promise<number> {
  const ours = new Set(await machineProcesses(state));
  let count = 0;
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b));
  for (const pid of processes) {
    const about = await readFile(join('/proc', pid, 'stat'), 'utf8').catch(() => '');
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(about) ?? [];
    if (name === undefined || (!ours.has(Number(pid)) && !ours.has(Number(parent)))) continue;
    ours.add(Number(pid));
    const command = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
    if (command.includes('virtiofsd')) count += (await readdir(join('/proc', pid, 'fd')).catch(() => [])).length;
  }
  return count;
}
