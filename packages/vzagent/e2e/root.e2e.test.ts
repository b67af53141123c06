import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { AgentClient, StartSpec } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs, makeExt4 } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { mount, startShell, startSpec } from './testing/start-spec.ts';

const run = promisify(execFile);
const architecture = 'amd64';

describe('the root and mounts of a container', () => {
  let folder: string;
  let machine: Machine;
  let client: AgentClient;
  let shared: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-root-'));
    const image = join(folder, 'image');
    shared = join(folder, 'shared');
    await makeContainerRoot(image, architecture);
    await mkdir(join(image, 'data/inner'), { recursive: true });
    await writeFile(join(image, 'data/seed'), 'from the image\n', { mode: 0o640 });
    await writeFile(join(image, 'data/inner/program'), '', { mode: 0o4755 });
    await chmod(join(image, 'data/inner/program'), 0o4755);
    await symlink('seed', join(image, 'data/link'));
    await run('mkfifo', [join(image, 'data/pipe')]);
    await run('setfattr', ['-n', 'user.note', '-v', 'kept', join(image, 'data/seed')]);
    await chmod(join(image, 'data'), 0o700);
    await symlink('/../../../../outside', join(image, 'leads-out'));
    await symlink('/run/resolv.conf', join(image, 'etc/resolv.conf'));
    await makeContainerRoot(shared, architecture);
    await mkdir(join(shared, 'sub'), { recursive: true });
    await writeFile(join(shared, 'file'), 'shared file\n');
    await writeFile(join(shared, 'sub/below'), 'below\n');
    await symlink('../../../../var', join(shared, 'escape'));
    await makeErofs(join(folder, 'root.erofs'), image);
    await makeExt4(join(folder, 'upper.ext4'), { fileSystem: 16, disk: 96 });
    await makeExt4(join(folder, 'volume.ext4'), { fileSystem: 16, disk: 64 });
    await writeFile(join(folder, 'corrupt.erofs'), Buffer.alloc(1024 * 1024, 7));
    await writeFile(join(folder, 'blank'), Buffer.alloc(1024 * 1024));
    const guest = await resolveGuest({ architecture });
    machine = await Machine.boot({
      ...guest,
      share: { tag: 'shared', path: shared },
      devices: [
        ...diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
        ...diskArguments('corrupt', join(folder, 'corrupt.erofs'), { readonly: true }),
        ...diskArguments('blank', join(folder, 'blank')),
        ...diskArguments('upper', join(folder, 'upper.ext4')),
        ...diskArguments('volume', join(folder, 'volume.ext4')),
      ],
    });
    client = machine.client();
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const root = (fields: Partial<StartSpec['root']>): StartSpec['root'] => ({
    ...startSpec({ argv: [] }).root,
    ...fields,
  });

  it('is an EROFS image below memory, in which everything can be changed', async () => {
    const script = 'cat /data/seed; echo new > /etc/new && rm /data/seed && cat /etc/new; grep " / " /proc/mounts';
    const outcome = await startShell(client, script);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^from the image\nnew\noverlay \/ overlay rw,/);
  });

  it('begins anew with each start when its changes are in memory', async () => {
    expect(await startShell(client, 'cat /data/seed; ls /etc/new')).toMatchObject({
      stdout: 'from the image\n',
      code: 1,
    });
  });

  it('has no more memory for changes than it was given', async () => {
    const outcome = await startShell(client, 'dd if=/dev/zero of=/big bs=1M count=20 2>&1; stat -c %s /big', {
      root: root({ upperBytes: 4 * 1024 * 1024 }),
    });
    expect(outcome.stdout).toContain('No space left on device');
  });

  it('keeps its changes on a disk from one start to the next, which fills the disk’s whole size', async () => {
    const onDisk = root({ upper: 'disk', upperSource: 'upper' });
    await startShell(client, 'echo kept > /etc/kept; setfattr 2>/dev/null; chmod 750 /', { root: onDisk });
    const outcome = await startShell(
      client,
      'cat /etc/kept; stat -c %a /; dd if=/dev/zero of=/big bs=1M count=48 2>/dev/null && echo fits; rm /big',
      { root: onDisk },
    );
    expect(outcome).toMatchObject({ stdout: 'kept\n750\nfits\n', code: 0 });
  });

  it('gives the disk’s blocks back when files are deleted', async () => {
    const { blocks } = await stat(join(folder, 'upper.ext4'));
    expect(blocks * 512).toBeLessThan(24 * 1024 * 1024);
  });

  it('needs a writable layer when the image lacks a folder to mount at, and says so', async () => {
    const alone = client.start(startSpec({ argv: ['true'], root: root({ upper: 'none' }) }));
    await expect(alone).rejects.toThrow('cannot make /proc in the container: Read-only file system');
  });

  it('is read-only when asked, with writable mounts in it', async () => {
    const outcome = await startShell(
      client,
      'touch /new; touch /volatile/new && echo written; touch /dev/shm/new && echo too',
      {
        root: root({ readonly: true }),
        mounts: [mount({ kind: 'tmpfs', target: '/volatile' })],
      },
    );
    expect(outcome.stdout).toBe('written\ntoo\n');
    expect(outcome.stderr).toContain('Read-only file system');
  });

  it('can be a share of the host, changed in place or left as it is', async () => {
    const live = root({ lower: 'share', lowerSource: 'shared', upper: 'none' });
    const layered = root({ lower: 'share', lowerSource: 'shared', upper: 'tmpfs' });
    expect(await startShell(client, 'echo live > /live', { root: live })).toMatchObject({ code: 0 });
    expect(await startShell(client, 'cat /live; echo x > /layered', { root: layered })).toMatchObject({
      stdout: 'live\n',
    });
    expect(await readFile(join(shared, 'live'), 'utf8')).toBe('live\n');
    await expect(readFile(join(shared, 'layered'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('mounts parts of a share where it was asked to, and single files', async () => {
    const outcome = await startShell(
      client,
      'cat /all/file /part/below /etc/one; echo x > /all/from-guest; echo x > /part/no; echo x >> /etc/one; ls -d /all/sub',
      {
        mounts: [
          mount({ kind: 'share', source: 'shared', target: '/all' }),
          mount({ kind: 'share', source: 'shared', subpath: 'sub', target: '/part', readonly: true }),
          mount({ kind: 'share', source: 'shared', subpath: 'file', target: '/etc/one', readonly: true }),
        ],
      },
    );
    expect(outcome.stdout).toBe('shared file\nbelow\nshared file\n/all/sub\n');
    expect(outcome.stderr.match(/Read-only file system/g)).toHaveLength(2);
    expect(await readFile(join(shared, 'from-guest'), 'utf8')).toBe('x\n');
  });

  it('never lets a share’s or image’s link lead a mount out of it', async () => {
    const outside = client.start(
      startSpec({
        argv: ['true'],
        mounts: [mount({ kind: 'share', source: 'shared', subpath: 'escape', target: '/x' })],
      }),
    );
    await expect(outside).rejects.toMatchObject({ kind: 'notFound' });
    const outcome = await startShell(client, 'ls /outside/deep; ls -ld /outside', {
      mounts: [mount({ kind: 'share', source: 'shared', subpath: 'sub', target: '/leads-out/deep' })],
    });
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringMatching(/^below\n/) });
  });

  it('mounts memory with size and mode', async () => {
    const outcome = await startShell(client, 'stat -c %a /fast; dd if=/dev/zero of=/fast/x bs=1M count=3 2>&1', {
      mounts: [mount({ kind: 'tmpfs', target: '/fast', bytes: 1024 * 1024, mode: 0o711 })],
    });
    expect(outcome.stdout).toMatch(/^711\n/);
    expect(outcome.stdout).toContain('No space left');
  });

  it('fills an empty volume with what the image has at its place, once', async () => {
    const mounts = [mount({ kind: 'disk', source: 'volume', target: '/data' })];
    const look =
      'cd /data; ls -A; stat -c "%a %n" . seed inner/program; cat link; stat -c %F pipe; grep /data /proc/mounts | cut -d" " -f3';
    const first = await startShell(
      client,
      `${look}; rm seed; dd if=/dev/zero of=big bs=1M count=30 2>/dev/null && echo grown`,
      {
        mounts,
      },
    );
    expect(first.stdout).toBe(
      'inner\nlink\npipe\nseed\n700 .\n640 seed\n4755 inner/program\nfrom the image\nfifo\next4\ngrown\n',
    );
    expect(await startShell(client, 'ls -A /data', { mounts })).toMatchObject({ stdout: 'big\ninner\nlink\npipe\n' });
  });

  it.each([
    ['a disk that is not there', { lowerSource: 'nowhere' }, 'notFound', 'serial number "nowhere"'],
    ['a corrupt image', { lowerSource: 'corrupt' }, 'invalid', 'as EROFS'],
    ['a share that is not there', { lower: 'share', lowerSource: 'nowhere' }, 'notFound', 'no such share'],
    ['a writable layer that is no ext4', { upper: 'disk', upperSource: 'blank' }, 'invalid', 'no ext4 file system'],
  ] as const)('says what is wrong with %s, and the guest goes on', async (_, fields, kind, words) => {
    const started = client.start(startSpec({ argv: ['true'], root: root(fields) }));
    await expect(started).rejects.toMatchObject({ kind, message: expect.stringContaining(words) });
    expect(await startShell(client, 'echo on')).toMatchObject({ stdout: 'on\n' });
  });

  it('has its names in files that cover the image’s, links among them', async () => {
    const outcome = await startShell(
      client,
      'hostname; cat /etc/hostname /etc/resolv.conf /etc/hosts; readlink /etc/resolv.conf',
      {
        names: {
          hostname: 'db-1',
          dnsServers: ['10.9.8.7', 'fd00::53'],
          dnsSearch: ['svc.example', 'example'],
          dnsOptions: ['ndots:2'],
          hosts: [{ name: 'other', address: '10.0.0.5' }],
        },
      },
    );
    expect(outcome.stdout).toContain(
      'db-1\ndb-1\nnameserver 10.9.8.7\nnameserver fd00::53\nsearch svc.example example\noptions ndots:2\n127.0.0.1\tlocalhost\n',
    );
    expect(outcome.stdout).toMatch(/\n10\.0\.0\.5\tother\n127\.0\.1\.1\tdb-1\n\/run\/resolv\.conf\n$/);
  });

  it.each([
    ['a name with a new line', { hostname: 'a\nb' }],
    ['a DNS server that is a name', { dnsServers: ['dns.example'] }],
    ['a search domain that brings a line of its own', { dnsSearch: ['x\nnameserver 6.6.6.6'] }],
    ['a host without an address', { hosts: [{ name: 'x', address: 'nowhere' }] }],
  ])('refuses %s', async (_, fields) => {
    const names = { ...startSpec({ argv: [] }).names, ...fields };
    await expect(client.start(startSpec({ argv: ['true'], names }))).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('loses user.* attributes when a file is copied up into memory, because this kernel’s tmpfs has none', async () => {
    const attribute = async () =>
      (await buffer((await client.archiveGet('/data/seed')).archive)).includes('xattr.user.note');
    await startShell(client, 'true');
    expect(await attribute()).toBe(true);
    await startShell(client, 'chmod 600 /data/seed');
    expect(await attribute()).toBe(false);
  });
});
