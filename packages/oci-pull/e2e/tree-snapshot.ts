import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { getAttributeSync, listAttributesSync } from '@napi-rs/xattr';

/** Everything of a tree that two unpackers must agree on, one line for each path. */
export function treeSnapshot(root: string): Map<string, string> {
  const lines = new Map<string, string>();
  const firstNames = new Map<string, string>();
  const visit = (path: string) => {
    const full = join(root, path);
    const found = lstatSync(full, { bigint: true });
    const facts = [
      `mode ${found.mode.toString(8)}`,
      `owner ${found.uid}:${found.gid}`,
      `mtime ${found.mtimeNs / 1_000_000_000n}`,
    ];
    if (found.isSymbolicLink()) facts.push(`target ${readlinkSync(full, 'latin1')}`);
    if (found.isCharacterDevice() || found.isBlockDevice()) facts.push(`device ${found.rdev}`);
    if (found.isFile()) facts.push(`content ${createHash('sha256').update(readFileSync(full)).digest('hex')}`);
    if (!found.isDirectory() && found.nlink > 1n) {
      const first = firstNames.get(String(found.ino)) ?? path;
      firstNames.set(String(found.ino), first);
      facts.push(`linked with ${first}`);
    }
    for (const name of attributesOf(full)) facts.push(`${name} ${getAttributeSync(full, name)?.toString('hex')}`);
    lines.set(path, facts.join(', '));
    if (found.isDirectory()) for (const name of readdirSync(full).sort()) visit(join(path, name));
  };
  visit('.');
  return lines;
}

/** None for a name that is no UTF-8: the binding cannot be asked for it. */
function attributesOf(path: string): string[] {
  return path.includes('\ufffd') ? [] : listAttributesSync(path).sort();
}
