import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { shellCommand } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';
import { readTar, writeTar } from '../tar.ts';

const LONG_NAME = `${'n'.repeat(120)}.txt`;
const TREE = [
  { name: 'tree', type: 'directory', mode: 0o750 },
  { name: 'tree/file', mode: 0o640, data: Buffer.from([0x00, 0xff, 0x61]), modifiedAt: new Date(1_000_000_000_000) },
  { name: `tree/${LONG_NAME}`, mode: 0o644, data: Buffer.alloc(100_000, 'z') },
  { name: 'tree/link', type: 'link', linkTarget: 'file' },
  { name: 'tree/empty', type: 'directory', mode: 0o755 },
] as const;

async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += 9_973) yield bytes.subarray(at, at + 9_973);
}

/** Files that are copied into and out of a container. Starts one container. */
export function archives(suite: Suite): void {
  const needs = 'containers.archive';
  suite.area('files of a container', () => {
    const host = suite.shared(async (bench) => {
      const { container, output } = await bench.start(bench.shell('wellUntilUsr1'));
      await output.shows('ready');
      await bench.runtime.archivePut(container, '/tmp', streamOf(writeTar(TREE)));
      return { container, runtime: bench.runtime, capabilities: bench.lab.capabilities };
    });

    suite.testWith(needs, 'what is put into a container comes out again: names, modes, links, bytes', async () => {
      const { runtime, container } = await host();
      const entries = readTar(await buffer(await runtime.archiveGet(container, '/tmp/tree')));
      const shown = entries.map(({ name, type, mode, data, linkTarget }) => {
        const permissions = type === 'link' ? 0 : mode;
        return { name, type, mode: permissions, data: Buffer.from(data).toString('base64'), linkTarget };
      });
      const expected = TREE.map((entry) => ({
        name: entry.name,
        type: 'type' in entry ? entry.type : 'file',
        mode: 'mode' in entry ? entry.mode : 0,
        data: Buffer.from('data' in entry ? entry.data : []).toString('base64'),
        linkTarget: 'linkTarget' in entry ? entry.linkTarget : undefined,
      }));
      const byName = (one: { name: string }, other: { name: string }): number => (one.name < other.name ? -1 : 1);
      expect(shown.sort(byName)).toEqual(expected.sort(byName));
    });

    suite.testWith(needs, 'a file comes out alone, under its own name', async () => {
      const { runtime, container } = await host();
      const [file, ...others] = readTar(await buffer(await runtime.archiveGet(container, '/tmp/tree/file')));
      expect(others).toEqual([]);
      expect(file).toMatchObject({ name: 'file', type: 'file', mode: 0o640 });
      expect(Buffer.from(file?.data ?? [])).toEqual(Buffer.from([0x00, 0xff, 0x61]));
    });

    suite.testWith([needs, 'exec.buffered'], 'the workload sees what was put in', async () => {
      const { runtime, container } = await host();
      const { stdout } = await runtime.exec(container, shellCommand('showFiles', ['/tmp/tree/link']));
      expect(Buffer.from(stdout)).toEqual(Buffer.from([0x00, 0xff, 0x61]));
    });

    suite.testWith(needs, 'a path is described without being read', async () => {
      const { runtime, container } = await host();
      const file = await runtime.archiveHead(container, '/tmp/tree/file');
      expect(file).toMatchObject({ name: 'file', size: 3, mode: 0o100640 });
      expect(file.modifiedAt).toBeInstanceOf(Date);
      expect(file.linkTarget).toBeUndefined();
      expect(await runtime.archiveHead(container, '/tmp/tree/')).toMatchObject({ name: 'tree', mode: 0o040750 });
      const link = await runtime.archiveHead(container, '/tmp/tree/link');
      expect(link).toMatchObject({ name: 'link', linkTarget: 'file' });
      expect(link.mode & 0o170000).toBe(0o120000);
    });

    suite.testWith(needs, 'what the workload has written is there', async () => {
      const { runtime, container } = await host();
      expect(await runtime.archiveHead(container, '/tmp/well')).toMatchObject({ name: 'well', size: 0 });
    });

    suite.testWith(needs, 'a path that is not there is NOT_FOUND, a relative one INVALID_SPEC', async () => {
      const { runtime, container } = await host();
      for (const path of ['/tmp/missing', '/tmp/tree/file/below']) {
        await expectError(runtime.archiveHead(container, path), 'NOT_FOUND');
        await expectError(read(runtime.archiveGet(container, path)), 'NOT_FOUND');
        await expectError(runtime.archivePut(container, path, streamOf(writeTar([]))), 'NOT_FOUND', 'CONFLICT');
      }
      await expectError(runtime.archiveHead(container, 'tmp'), 'INVALID_SPEC');
      await expectError(read(runtime.archiveGet(container, '')), 'INVALID_SPEC');
      await expectError(runtime.archivePut(container, 'tmp', streamOf(writeTar([]))), 'INVALID_SPEC');
    });

    suite.testWith(needs, 'an archive cannot be unpacked into a file: CONFLICT', async () => {
      const { runtime, container } = await host();
      await expectError(runtime.archivePut(container, '/tmp/tree/file', streamOf(writeTar([]))), 'CONFLICT');
    });

    suite.testWith(
      needs,
      'an archive that leads out of its directory is INVALID_SPEC and writes nothing there',
      async () => {
        const { runtime, container } = await host();
        for (const name of ['../escaped', 'a/../../escaped']) {
          const archive = writeTar([{ name, data: Buffer.from('x') }]);
          await expectError(runtime.archivePut(container, '/tmp/tree/empty', streamOf(archive)), 'INVALID_SPEC');
        }
        for (const path of ['/escaped', '/tmp/escaped', '/tmp/tree/escaped']) {
          await expectError(runtime.archiveHead(container, path), 'NOT_FOUND');
        }
      },
    );

    suite.testWith(needs, 'an absolute name in an archive is one below its directory', async () => {
      const { runtime, container } = await host();
      const archive = writeTar([{ name: '/escaped', data: Buffer.from('x') }]);
      await runtime.archivePut(container, '/tmp/tree/empty', streamOf(archive));
      expect((await runtime.archiveHead(container, '/tmp/tree/empty/escaped')).size).toBe(1);
      await expectError(runtime.archiveHead(container, '/escaped'), 'NOT_FOUND');
    });

    suite.testWith(needs, 'what is no archive, or half of one, is INVALID_SPEC', async () => {
      const { runtime, container } = await host();
      const half = writeTar([{ name: 'half', data: Buffer.alloc(5000) }]).subarray(0, 2000);
      for (const bytes of [Buffer.from('x'.repeat(2000)), half]) {
        await expectError(runtime.archivePut(container, '/tmp', streamOf(bytes)), 'INVALID_SPEC');
      }
    });

    suite.testWith(
      ({ containers }) => containers.archive && !containers.archiveStopped,
      'files of a container that does not run are a CONFLICT',
      async (bench) => {
        const container = await bench.create(bench.shell('exit0'));
        await expectError(bench.runtime.archiveHead(container, '/etc/passwd'), 'CONFLICT');
      },
    );

    suite.testWith(
      'containers.archiveStopped',
      'files can be put in before the start, and taken after the end',
      async (bench) => {
        const { runtime } = bench;
        const container = await bench.create(bench.shell('addLines', { args: ['/etc/prepared'] }));
        await runtime.archivePut(
          container,
          '/etc',
          streamOf(writeTar([{ name: 'prepared', data: Buffer.from('one\n') }])),
        );
        await bench.rerun(container);
        const [file] = readTar(await buffer(await runtime.archiveGet(container, '/etc/prepared')));
        expect(Buffer.from(file?.data ?? []).toString()).toBe('one\nline\n');
      },
    );
  });
}

async function read(archive: Promise<AsyncIterable<Uint8Array>>): Promise<void> {
  for await (const _ of await archive);
}
