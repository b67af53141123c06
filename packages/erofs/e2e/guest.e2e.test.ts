import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ErofsWriter } from '../src/erofs-writer.ts';
import type { FileNode } from '../src/node.ts';
import { anyDirectory } from '../src/testing/any-tree.ts';
import { dump, expectSound } from '../src/testing/erofs-utils.ts';
import { ACL, addContents, bytes, CAPABILITY, directory, file, type Meant, meant } from '../src/testing/tree.ts';
import { mountInGuest } from './testing/guest.ts';

const HUGE = 2 ** 32 + 5000;
const MANY = 100_000;
const TYPE_BITS = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  'character-device': 0o020000,
  'block-device': 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
};

let folder: string;
let image: string;
let lines: string[];
let root: Meant;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'erofs-e2e-'));
  image = join(folder, 'image');
  root = makeTree();
  await writeWithHugeFile(image, root);
  lines = await mountInGuest(image);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the image is sound, and its huge file has its size', async () => {
  await expectSound(image);
  expect(await dump('--path=/huge', image)).toMatch(new RegExp(`Size: ${HUGE} `));
});

test('the guest kernel mounts the image and shows exactly the tree that was meant', () => {
  expect(lines.filter((line) => /^FAIL|erofs: /.test(line))).toEqual([]);
  const shown = new Map(lines.filter((line) => line.startsWith('ENTRY ')).map(parseLine));
  const expected = expectedLines(root);
  expect([...shown.keys()].sort()).toEqual([...expected.keys(), '/huge'].sort());
  for (const [path, { text }] of expected) expect(shown.get(path)?.text, path).toBe(text);
  expect(lines).toContain(`END ${expected.size + 1}`);
  const inodes = new Map([...expected].map(([path, { same }]) => [path, shown.get(same)?.inode]));
  for (const [path, inode] of inodes) expect(shown.get(path)?.inode, path).toBe(inode);
  expect(new Set(inodes.values()).size).toBe(new Set([...expected.values()].map(({ same }) => same)).size);
  expect(new Set(inodes.values())).not.toContain('0');
});

test('the guest kernel reads a file beyond 4 GiB', () => {
  const ends = Buffer.alloc(2 ** 17);
  ends.write('first');
  ends.write('last', ends.length - 4);
  const line = lines.filter((text) => text.startsWith('ENTRY ')).find((text) => parseLine(text)[0] === '/huge');
  expect(line).toMatch(new RegExp(` ${HUGE}:${hex(crc32(ends))}$`));
});

test('a writable overlay lies on the image', () => {
  expect(lines).toContain('OVERLAY hello+and more');
});

function makeTree(): Meant {
  const linked = file(bytes(5000), { mode: 0o6755, xattrs: new Map([['security.capability', CAPABILITY]]) });
  const deep = directory([['down', directory([['here', linked]])]]);
  const random = fc.sample(anyDirectory, { numRuns: 25, seed: 20_240_601 });
  return directory(
    [
      ['hello', file('hello\n')],
      ['one', linked],
      ['two', linked],
      ['deep', deep],
      ['old', file('', { mtime: -1_000_000_000, nanoseconds: 1 })],
      ['acl', file('a', { mode: 0o660, uid: 70_000, xattrs: new Map([['system.posix_acl_access', ACL]]) })],
      ['default', directory([], { xattrs: new Map([['system.posix_acl_default', ACL]]) })],
      ['large', file('x', { xattrs: new Map([['user.large', bytes(65_535)]]) })],
      ['link', meant('symlink', { target: 'hello', mode: 0o777 })],
      ['null', meant('character-device', { device: [1, 3], mode: 0o666 })],
      ['disk', meant('block-device', { device: [0xfff, 0xfffff] })],
      ['many', directory(Array.from({ length: MANY }, (_, index) => [`entry-${index}`, linked]))],
      ...random.map((tree, index): [string, Meant] => [`random-${index}`, tree]),
    ],
    { mode: 0o1777, xattrs: new Map([['trusted.root', bytes(10)]]) },
  );
}

async function writeWithHugeFile(path: string, tree: Meant): Promise<void> {
  await using writer = await ErofsWriter.create(path, { sync: false });
  const sink = writer.begin(HUGE);
  sink.write(Buffer.from('first'));
  const zeros = Buffer.alloc(1 << 20);
  while (sink.remaining > 4) await sink.write(zeros.subarray(0, Math.min(zeros.length, sink.remaining - 4)));
  sink.write(Buffer.from('last'));
  const huge: FileNode = { type: 'file', data: sink.end(), mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  const node = addContents(writer, tree);
  await writer.finish({ ...node, entries: [...node.entries, ['huge', huge]] });
}

function parseLine(line: string): [path: string, { text: string; inode: string }] {
  const [, path = '', mode, owner, mtime, links, inode = '', xattrs = '', content = ''] =
    /^ENTRY (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) \[(.*)\] (.*)$/.exec(line) ?? [];
  const text = [mode, owner, mtime, links, xattrs.split(',').sort().join(','), content].join(' ');
  return [
    Buffer.from(path, 'hex')
      .toString('latin1')
      .replace(/^\/image/, ''),
    { text, inode },
  ];
}

/** What the guest should print, by path; `same` is the first path of the same inode. */
function expectedLines(tree: Meant): Map<string, { text: string; same: string }> {
  const links = new Map<Meant, number>();
  const count = (entry: Meant): void => {
    const before = links.get(entry) ?? 0;
    links.set(entry, before + 1);
    if (before === 0) for (const child of entry.entries?.values() ?? []) count(child);
  };
  count(tree);
  const first = new Map<Meant, string>();
  const expected = new Map<string, { text: string; same: string }>();
  const visit = (entry: Meant, path: string): void => {
    const children = [...(entry.entries ?? [])];
    const directories = children.filter(([, child]) => child.type === 'directory').length;
    if (!first.has(entry)) first.set(entry, path);
    const text = [
      (TYPE_BITS[entry.type] | entry.mode).toString(8),
      `${entry.uid}:${entry.gid}`,
      `${entry.mtime}.${String(entry.nanoseconds).padStart(9, '0')}`,
      entry.type === 'directory' ? 2 + directories : links.get(entry),
      [...entry.xattrs]
        .map(([name, value]) => expectedXattr(entry, name, value))
        .sort()
        .join(','),
      expectedContent(entry),
    ].join(' ');
    expected.set(path, { text, same: first.get(entry) ?? path });
    if (children.length < 1000) for (const [name, child] of children) visit(child, `${path}/${name}`);
  };
  visit(tree, '');
  const top = expected.get('');
  // The huge file is not in the tree.
  if (top !== undefined) top.text = top.text.replace(/\d+$/, (entries) => String(Number(entries) + 1));
  return expected;
}

function expectedXattr({ type }: Meant, name: string, value: Buffer): string {
  const key = Buffer.from(name, 'latin1').toString('hex');
  // What the kernel lists but does not hand out: user attributes of links and devices, ACLs of links.
  if (name.startsWith('user.') && type !== 'file' && type !== 'directory') return `${key}=error`;
  if (name.startsWith('system.posix_acl') && type === 'symlink') return `${key}=error`;
  return `${key}=${value.length}:${hex(crc32(value))}`;
}

function expectedContent(entry: Meant): string {
  if (entry.type === 'directory') return String((entry.entries?.size ?? 0) + 2);
  if (entry.type === 'symlink') return Buffer.from(entry.target ?? '', 'latin1').toString('hex');
  if (entry.type === 'file') return `${entry.content?.length}:${hex(crc32(entry.content ?? ''))}`;
  return entry.device?.join(',') ?? '';
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
