import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { AgentClient, AgentProcess } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { finish, shell, startSpec } from './testing/start-spec.ts';

const run = promisify(execFile);
const architecture = 'amd64';

describe('archives out of and into a container', () => {
  let folder: string;
  let machine: Machine;
  let client: AgentClient;
  let workload: AgentProcess;
  let here: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-archive-'));
    const image = join(folder, 'image');
    await makeContainerRoot(image, architecture);
    await makeErofs(join(folder, 'root.erofs'), image);
    machine = await Machine.boot({
      ...(await resolveGuest({ architecture })),
      devices: diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
    });
    client = machine.client();
    workload = await client.start(startSpec({ argv: ['sleep', '1000'] }));
  });

  afterAll(async () => {
    workload?.close();
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  let count = 0;
  beforeEach(async () => {
    here = join(folder, `case-${++count}`);
    await mkdir(here);
    await shell(client, 'rm -rf /work; mkdir /work');
  });

  /** Packs `what` of a folder with GNU tar. */
  async function pack(what: readonly string[], options: readonly string[] = []): Promise<string> {
    const archive = join(folder, `${count}.tar`);
    await run('tar', ['-C', here, ...options, '-cf', archive, '--', ...what]);
    return archive;
  }

  const put = (archive: string, options: { keepOwners?: boolean; replaceFolders?: boolean } = {}) =>
    client.archivePut('/work', createReadStream(archive), options);

  /** Gets a path and unpacks it with GNU tar, beside the listing that GNU tar gives. */
  async function get(path: string): Promise<{ out: string; listing: string }> {
    const archive = join(folder, `${count}-out.tar`);
    await pipeline((await client.archiveGet(path)).archive, createWriteStream(archive));
    const out = join(here, 'out');
    await mkdir(out, { recursive: true });
    await run('tar', ['--xattrs', '--xattrs-include=*', '-xpf', archive, '-C', out]);
    return { out, listing: (await run('tar', ['-tvf', archive, '--numeric-owner'])).stdout };
  }

  it.each([['ustar'], ['gnu'], ['pax'], ['v7'], ['oldgnu']])(
    'take what GNU tar packs as %s and give it back the same',
    async (format) => {
      const long =
        { v7: 'short', ustar: `${'folder-'.repeat(12)}/${'name-'.repeat(12)}` }[format] ??
        `${'long-name-'.repeat(12)}end`;
      await mkdir(join(here, 'tree/empty'), { recursive: true });
      await mkdir(dirname(join(here, 'tree', long)), { recursive: true });
      await writeFile(join(here, 'tree', long), 'long\n');
      await writeFile(join(here, 'tree/blocks'), Buffer.alloc(300_000, 9));
      await writeFile(join(here, 'tree/exact'), Buffer.alloc(1024, 3));
      await symlink('../elsewhere', join(here, 'tree/link'));
      await link(join(here, 'tree/blocks'), join(here, 'tree/same'));
      await chmod(join(here, 'tree/exact'), 0o4751);
      await utimes(join(here, 'tree/exact'), 1_600_000_000, 1_600_000_000);
      await utimes(join(here, 'tree/empty'), 1_500_000_000, 1_500_000_000);
      const owner = ['--owner=1234', '--group=567'];
      await put(await pack(['tree'], [`--format=${format}`, ...owner]), { keepOwners: true });
      const seen = await shell(client, 'cd /work/tree; stat -c "%u:%g %a %Y %h" exact empty blocks; readlink link');
      expect(seen.stdout).toMatch(
        /^1234:567 4751 1600000000 1\n1234:567 755 1500000000 2\n1234:567 644 \d+ 2\n\.\.\/elsewhere\n$/,
      );
      const { out, listing } = await get('/work/tree');
      expect(listing).toMatch(/^drwxr-xr-x 1234\/567 .* tree\/\n/);
      expect(listing).toMatch(/ tree\/(same|blocks) link to tree\/(blocks|same)\n/);
      for (const name of [long, 'blocks', 'exact', 'same']) {
        expect(await readFile(join(out, 'tree', name))).toEqual(await readFile(join(here, 'tree', name)));
      }
      expect(await readlink(join(out, 'tree/link'))).toBe('../elsewhere');
      expect((await lstat(join(out, 'tree/exact'))).mode & 0o7777).toBe(0o4751);
      expect((await lstat(join(out, 'tree/empty'))).mtimeMs).toBe(1_500_000_000_000);
    },
  );

  it('give everything to root unless owners are to be kept', async () => {
    await writeFile(join(here, 'file'), 'x');
    await put(await pack(['file'], ['--owner=1234', '--group=567']));
    expect(await shell(client, 'stat -c %u:%g /work/file')).toMatchObject({ stdout: '0:0\n' });
  });

  it('name a path by its last part, tell of it, and do not follow a link at its end', async () => {
    await shell(client, 'mkdir /work/a; echo x > /work/a/file; ln -s a /work/link; chmod 600 /work/a/file');
    expect(await client.archiveHead('/work/a/file')).toMatchObject({
      name: 'file',
      bytes: 2,
      mode: 0o100600,
      linkTarget: null,
    });
    expect(await client.archiveHead('/work/link')).toMatchObject({ name: 'link', mode: 0o120777, linkTarget: 'a' });
    expect(await client.archiveHead('/work/link/')).toMatchObject({ name: 'link', mode: 0o40755 });
    expect((await get('/work/link')).listing).toContain('link -> a');
    expect((await get('/work/a/.')).listing).toContain(' a/file\n');
    for (const path of ['/work/none', '/none/at/all']) {
      await expect(client.archiveGet(path)).rejects.toMatchObject({ kind: 'notFound' });
      await expect(client.archiveHead(path)).rejects.toMatchObject({ kind: 'notFound' });
    }
  });

  it('hold the whole root without what the kernel shows in it', async () => {
    const { archive } = await client.archiveGet('/');
    const path = join(folder, 'root.tar');
    await pipeline(archive, createWriteStream(path));
    const names = (await run('tar', ['-tf', path])).stdout.split('\n');
    expect(names).toContain('./bin/busybox');
    expect(names).toContain('./proc/');
    expect(names.filter((name) => /^\.\/(proc|sys|dev)\/./.test(name))).toEqual([]);
  });

  it('hold exactly as many bytes as they say', async () => {
    await shell(client, 'dd if=/dev/zero of=/work/big bs=1 count=0 seek=64000000 2>/dev/null');
    const { info, archive } = await client.archiveGet('/work/big');
    let length = 0;
    for await (const chunk of archive) length += (chunk as Buffer).length;
    expect(info.bytes).toBe(64_000_000);
    // Header with an extended one for the time, content in whole blocks, two empty blocks.
    expect(length).toBe(1536 + Math.ceil(64_000_000 / 512) * 512 + 1024);
  });

  it('refuse a missing folder, a file in its place, and a container’s read-only part', async () => {
    await writeFile(join(here, 'file'), 'x');
    const archive = await pack(['file']);
    await expect(client.archivePut('/none', createReadStream(archive))).rejects.toMatchObject({ kind: 'notFound' });
    await expect(client.archivePut('/etc/passwd', createReadStream(archive))).rejects.toMatchObject({
      kind: 'invalid',
    });
    await expect(client.archivePut('/proc/sys', createReadStream(archive))).rejects.toThrow(/file/);
  });

  it('let a file take a folder’s place only when asked to', async () => {
    await writeFile(join(here, 'thing'), 'x');
    const archive = await pack(['thing']);
    await shell(client, 'mkdir -p /work/thing/deep; echo y > /work/thing/deep/y');
    await expect(put(archive)).rejects.toMatchObject({ kind: 'conflict' });
    await put(archive, { replaceFolders: true });
    expect(await shell(client, 'cat /work/thing')).toMatchObject({ stdout: 'x' });
  });

  it('never write outside of the folder by a name with .. or a hard link to such a name', async () => {
    await mkdir(join(here, 'sub'));
    await writeFile(join(here, 'victim'), 'x');
    const up = join(folder, 'up.tar');
    await run('tar', ['-C', join(here, 'sub'), '-P', '-cf', up, '../victim']);
    await expect(put(up)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('leads out') });
    await link(join(here, 'victim'), join(here, 'other'));
    const hard = join(folder, 'hard.tar');
    await run('tar', [
      '-C',
      here,
      '-P',
      '--transform=flags=h;s,^victim,../../etc/passwd,',
      '-cf',
      hard,
      'victim',
      'other',
    ]);
    await expect(put(hard)).rejects.toMatchObject({ kind: 'invalid' });
    const { stdout } = await shell(client, 'ls /victim /work/../victim; cat /etc/passwd');
    expect(stdout).toMatch(/^root:x:0:0:/);
  });

  it('take absolute names for names in the folder', async () => {
    await writeFile(join(here, 'file'), 'x');
    const archive = join(folder, 'absolute.tar');
    await run('tar', ['-P', '-cf', archive, join(here, 'file')]);
    await put(archive);
    expect(await shell(client, `cat /work${here}/file`)).toMatchObject({ stdout: 'x' });
  });

  it('keep links of the archive inside the container, however far they point', async () => {
    await symlink('../../../../../../../etc', join(here, 'deep'));
    await mkdir(join(here, 'second/deep'), { recursive: true });
    await writeFile(join(here, 'second/deep/planted'), 'planted');
    const first = await pack(['deep']);
    await put(first);
    const archive = join(folder, 'through.tar');
    await run('tar', ['-C', join(here, 'second'), '-cf', archive, 'deep/planted']);
    await put(archive);
    // The link leads to the container's own /etc, as it would for a program in it, and never to the guest's.
    expect(await shell(client, 'cat /etc/planted')).toMatchObject({ stdout: 'planted' });
  });

  it.each([
    ['nothing at all', () => Buffer.alloc(0), 'no end'],
    ['noise', () => Buffer.alloc(4096, 0x41), 'checksum'],
    ['a header cut short', () => Buffer.alloc(100, 0x41), 'no end'],
    ['an extended header of 2 GiB', () => header({ type: 'x', size: '20000000000' }), 'larger than 1 MiB'],
    ['a record that says it is longer than it is', () => pax('99 path=x\n'), 'malformed'],
    ['a record without an end', () => pax('7 path=x'), 'malformed'],
    ['a negative size', () => pax('11 size=-1\n'), 'not possible'],
    ['a name with a NUL', () => pax('12 path=a\0b\n'), 'not possible'],
    ['a sparse file', () => pax('23 GNU.sparse.major=1\n\n'), 'sparse'],
    ['a file cut short', () => header({ type: '0', size: '00000002000', name: 'cut' }), 'ends within'],
    ['an owner above 32 bits', () => pax('19 uid=99999999999\n'), 'owner'],
    ['a type that nobody knows', () => header({ type: 'Z' }), 'type'],
    [
      'extended headers without end',
      () => Buffer.concat(Array.from({ length: 50 }, () => pax('10 path=x\n'))),
      'too many',
    ],
  ])('refuse %s', async (_, make, words) => {
    const tail = header({ type: '0', name: 'after' });
    const parts = words === 'owner' ? [make(), tail] : [make()];
    await expect(client.archivePut('/work', parts)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(words),
    });
  });

  it('take many at once', async () => {
    await truncate(join(here, 'file'), 200_000).catch(async () =>
      writeFile(join(here, 'file'), Buffer.alloc(200_000, 1)),
    );
    const archive = await pack(['file']);
    await shell(client, 'for i in $(seq 20); do mkdir /work/$i; done');
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => client.archivePut(`/work/${i + 1}`, createReadStream(archive))),
    );
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => buffer((await client.archiveGet(`/work/${i + 1}`)).archive)),
    );
    expect(all.map(({ length }) => length)).toEqual(Array(20).fill(all[0]?.length));
  });

  it('leave no process behind when the host gives up in the middle', async () => {
    await shell(client, 'dd if=/dev/zero of=/work/big bs=1 count=0 seek=500000000 2>/dev/null');
    const { archive } = await client.archiveGet('/work/big');
    await new Promise((resolve) => archive.once('data', resolve));
    archive.destroy();
    expect(await client.archiveHead('/work/big')).toMatchObject({ bytes: 500_000_000 });
  });

  it('can still be had when the container has ended', async () => {
    await shell(client, 'echo last > /work/last');
    await client.signal(0, 9);
    await finish(workload);
    expect((await get('/work/last')).listing).toContain(' last\n');
  });
});

/** A header block of a tar archive with a right checksum. */
function header({ type, size = '00000000000', name = 'name' }: { type: string; size?: string; name?: string }): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size}\0`.slice(0, 12), 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return block;
}

function pax(records: string): Buffer {
  const data = Buffer.from(records, 'latin1');
  const size = data.length.toString(8).padStart(11, '0');
  return Buffer.concat([header({ type: 'x', size }), data, Buffer.alloc(-data.length & 511)]);
}
