import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { getAttributeSync, listAttributesSync } from '@napi-rs/xattr';
import { afterAll, beforeAll, expect, test } from 'vitest';
// By its path: what boots guests builds on this package, so it cannot be a dependency.
import { mountInGuest } from '../../erofs/e2e/testing/guest.ts';
import { erofsImage, ImageStore, importLayout, unpackImage } from '../src/index.ts';
import { writeImageLayout } from '../src/testing/index.ts';
import { manyAttributes, manyLayers, manyLinks } from './hard-images.ts';

const platform = { os: 'linux', architecture: 'amd64' };
/** Directories with more entries are counted, not listed: everything is slow in an emulated machine. */
const LISTED = 1000;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-guest-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const hex = (text: string | Buffer) => Buffer.from(text).toString('hex');
const sum = (bytes: string | Buffer) => crc32(bytes).toString(16).padStart(8, '0');

test.skipIf(process.getuid?.() !== 0)(
  'a guest kernel sees the same tree in the EROFS image as lies in the directory (needs root)',
  async () => {
    const layers = [...manyLayers(), ...manyLinks(), ...manyAttributes()];
    const layout = join(directory, 'layout');
    await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers }] });
    const store = await ImageStore.open(join(directory, 'store'));
    const image = await importLayout(layout, { store, platform, reference: 'a' });
    const { rootfs } = await unpackImage(image, { store, directory: join(directory, 'unpacked') });
    const { path } = await erofsImage(image, { store });

    const lines = await mountInGuest(path);
    const entries = lines.filter((line) => line.startsWith('ENTRY '));
    expect(lines.some((line) => line.endsWith(`END ${entries.length}`))).toBe(true);
    const seen = new Map(entries.map(parseLine));
    const meant = describeTree(rootfs);
    expect(meant.size).toBeGreaterThan(500);
    const differences = [...new Set([...seen.keys(), ...meant.keys()])]
      .filter((each) => seen.get(each) !== meant.get(each))
      .map((each) => ({ path: each, seen: seen.get(each), meant: meant.get(each) }));
    expect(differences).toEqual([]);
  },
  240_000,
);

/** A line of the guest, with the first path of the same inode instead of its number. */
function parseLine(line: string, _: number, all: string[]): [path: string, facts: string] {
  const [, path = '', facts = '', inode = '', xattrs = '', content = ''] =
    /^ENTRY (\S+) (\S+ \S+ \S+ \S+) (\S+) \[(.*)\] (.*)$/.exec(line) ?? [];
  const first = all.find((other) => other.split(' ', 7)[6] === inode)?.split(' ', 2)[1] ?? '';
  const name = (text: string) =>
    Buffer.from(text, 'hex')
      .toString('latin1')
      .replace(/^\/image/, '');
  return [name(path), [facts, name(first), xattrs.split(',').sort().join(','), content].join(' ')];
}

function describeTree(root: string): Map<string, string> {
  const lines = new Map<string, string>();
  const firstNames = new Map<bigint, string>();
  const visit = (path: string) => {
    const full = `${root}${path}`;
    const found = lstatSync(full, { bigint: true });
    const names = found.isDirectory() ? readdirSync(full).sort() : [];
    const directories = names.filter((name) => lstatSync(join(full, name)).isDirectory());
    if (!firstNames.has(found.ino)) firstNames.set(found.ino, path);
    const facts = [
      found.mode.toString(8),
      `${found.uid}:${found.gid}`,
      `${found.mtimeNs / 1_000_000_000n}.${String(found.mtimeNs % 1_000_000_000n).padStart(9, '0')}`,
      found.isDirectory() ? 2 + directories.length : found.nlink,
      found.isDirectory() ? path : firstNames.get(found.ino),
      listAttributesSync(full)
        .map((name) => {
          const value = getAttributeSync(full, name) ?? Buffer.alloc(0);
          return `${hex(name)}=${value.length}:${sum(value)}`;
        })
        .sort()
        .join(','),
    ];
    if (found.isDirectory()) facts.push(names.length + 2);
    else if (found.isSymbolicLink()) facts.push(hex(readlinkSync(full)));
    else if (found.isFile()) facts.push(`${found.size}:${sum(readFileSync(full))}`);
    else facts.push(`${found.rdev >> 8n},${found.rdev & 0xffn}`);
    lines.set(path, facts.join(' '));
    if (names.length <= LISTED) for (const name of names) visit(`${path}/${name}`);
  };
  visit('');
  return lines;
}
