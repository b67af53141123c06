import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ServiceSpecInput } from '../../service-spec.ts';
import type { Bench } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

const MiB = 1024 ** 2;

/** Everything that can be mounted, and the root itself. Starts up to ten containers. */
export function storage(suite: Suite): void {
  suite.area('storage', () => {
    suite.testWith(
      'storage.bind',
      'a bind mount is read and written through, and a read-only one only read',
      async (bench) => {
        const host = await bench.directory();
        await mkdir(join(host, 'rw'));
        await mkdir(join(host, 'ro'));
        for (const name of ['rw/seed', 'ro/seed', 'single', 'locked']) await writeFile(join(host, name), `${name}\n`);
        const bind = (name: string, readOnly = false) =>
          ({ type: 'bind', source: join(host, name), target: `/mnt/${name}`, readOnly }) as const;
        const mounts = [bind('rw'), bind('ro', true), bind('single'), bind('locked', true)];
        const paths = ['rw/seed', 'ro/seed', 'single', 'locked'].map((name) => `/mnt/${name}`);
        const shown = await bench.run(bench.shell('showFiles', { storage: mounts, args: paths }));
        expect(shown.output.stdout).toBe('rw/seed\nro/seed\nsingle\nlocked\n');
        const targets = ['/mnt/rw/new', '/mnt/ro/new', '/mnt/single', '/mnt/locked'];
        const written = await bench.run(bench.shell('tryWrites', { storage: mounts, args: targets }));
        expect(written.output.stdout).toBe(
          'wrote /mnt/rw/new\nrefused /mnt/ro/new\nwrote /mnt/single\nrefused /mnt/locked\n',
        );
        expect(await readFile(join(host, 'rw/new'), 'utf8')).toBe('new\n');
        expect(await readFile(join(host, 'single'), 'utf8')).toBe('single\nnew\n');
        expect(await readFile(join(host, 'locked'), 'utf8')).toBe('locked\n');
        expect(await readdir(join(host, 'ro'))).toEqual(['seed']);
        await bench.runtime.removeContainer(written.container);
        expect(await readFile(join(host, 'rw/seed'), 'utf8'), 'a removal leaves what is bound').toBe('rw/seed\n');
      },
    );

    suite.testWith('storage.bind', 'a bind mount of what is not there is an error that names it', async (bench) => {
      const source = join(await bench.directory(), 'missing');
      const spec = bench.shell('exit0', { storage: [{ type: 'bind', source, target: '/mnt' }] });
      const { error } = await settle(bench.start(spec));
      await expectError(Promise.reject(error), 'NOT_FOUND', 'CREATE_FAILED', 'START_FAILED');
      expect((error as Error).message).toContain(source);
    });

    suite.testWith(
      ({ storage: kinds }) => kinds.includes('named') || kinds.includes('anonymous') || kinds.includes('tmpfs'),
      'a named volume outlives its container, an anonymous one its run, a tmpfs neither',
      async (bench) => {
        const kinds = (['named', 'anonymous', 'tmpfs'] as const).filter((kind) =>
          bench.lab.capabilities.storage.includes(kind),
        );
        const name = `conformance-${randomBytes(4).toString('hex')}`;
        const spec = bench.shell('addLines', {
          storage: kinds.map((type) =>
            type === 'named' ? { type, name, target: '/mnt/named' } : { type, target: `/mnt/${type}` },
          ),
          args: kinds.map((kind) => `/mnt/${kind}/lines`),
        });
        const first = await bench.run(spec);
        const again = await bench.rerun(first.container);
        await bench.runtime.removeContainer(first.container);
        const second = await bench.run(spec);
        const counts = (text: string) =>
          Object.fromEntries(
            text
              .trim()
              .split(/\s+/)
              .map((count, i) => [kinds[i], count]),
          );
        const only = (all: Record<string, string>) => Object.fromEntries(kinds.map((kind) => [kind, all[kind]]));
        expect(counts(first.output.stdout)).toEqual(only({ named: '1', anonymous: '1', tmpfs: '1' }));
        expect(counts(again.stdout)).toEqual(only({ named: '2', anonymous: '2', tmpfs: '1' }));
        expect(counts(second.output.stdout)).toEqual(only({ named: '3', anonymous: '1', tmpfs: '1' }));
      },
    );

    suite.testWith('storage.named', 'a named volume that is mounted read-only cannot be written to', async (bench) => {
      const name = `conformance-${randomBytes(4).toString('hex')}`;
      const volumes = [{ type: 'named', name, target: '/mnt/one', readOnly: true }] as const;
      const { output } = await bench.run(bench.shell('tryWrites', { storage: [...volumes], args: ['/mnt/one/file'] }));
      expect(output.stdout).toBe('refused /mnt/one/file\n');
    });

    suite.testWith('storage.tmpfs', 'a tmpfs has its mode, and a default one that is for everybody', async (bench) => {
      const { output } = await bench.run(
        bench.shell('modes', {
          storage: [
            { type: 'tmpfs', target: '/mnt/own', mode: '0750' },
            { type: 'tmpfs', target: '/mnt/default' },
          ],
          args: ['/mnt/own', '/mnt/default'],
        }),
      );
      expect(output.stdout).toBe('750\n1777\n');
    });

    suite.testWith('storage.tmpfs', 'a tmpfs holds what fits into its size and no more', async (bench) => {
      const storage = [{ type: 'tmpfs', target: '/mnt/small', size: '1Mi' }] as const;
      expect(await fill(bench, { storage: [...storage] }, '/mnt/small/file', MiB / 4)).toBe('filled\n');
      expect(await fill(bench, { storage: [...storage] }, '/mnt/small/file', 2 * MiB)).toBe('full\n');
    });

    suite.testWith('rootfs.size', 'the root takes as much as its size and no more', async (bench) => {
      expect(await fill(bench, { rootfs: { size: '32Mi' } }, '/file', MiB)).toBe('filled\n');
      expect(await fill(bench, { rootfs: { size: '32Mi' } }, '/file', 48 * MiB)).toBe('full\n');
    });

    suite.testWith(
      'process.readOnlyRoot',
      'a read-only root cannot be written to, what is mounted can',
      async (bench) => {
        const tmpfs = bench.lab.capabilities.storage.includes('tmpfs');
        const { output } = await bench.run(
          bench.shell('tryWrites', {
            readOnlyRoot: true,
            storage: tmpfs ? [{ type: 'tmpfs', target: '/mnt/tmp' }] : [],
            args: ['/new', '/etc/passwd', ...(tmpfs ? ['/mnt/tmp/new'] : [])],
          }),
        );
        expect(output.stdout).toBe(`refused /new\nrefused /etc/passwd\n${tmpfs ? 'wrote /mnt/tmp/new\n' : ''}`);
      },
    );

    suite.test('the root can be written to, and no other container sees it', async (bench) => {
      const spec = bench.shell('addLines', { args: ['/new', '/etc/passwd'] });
      const lines = (await bench.run(spec)).output.stdout;
      expect(lines.split('\n')[0]?.trim()).toBe('1');
      expect((await bench.run(spec)).output.stdout).toBe(lines);
    });
  });
}

async function fill(bench: Bench, extras: Partial<ServiceSpecInput>, path: string, bytes: number): Promise<string> {
  const { output } = await bench.run(bench.shell('fill', { ...extras, args: [path, String(bytes)] }));
  return output.stdout;
}
