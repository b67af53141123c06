import type { LayerInput, TarInput } from '../src/testing/index.ts';

const dir = (path: string, more: Partial<TarInput> = {}): TarInput => ({ type: 'directory', path, ...more });

/** Thirty layers that add, replace and hide files of each other, as a long Dockerfile does. */
export function manyLayers(): LayerInput[] {
  const layers: LayerInput[] = [];
  for (let layer = 0; layer < 30; layer++) {
    const entries: TarInput[] = [dir('srv'), dir(`srv/${layer % 7}`, { mode: 0o700 + (layer % 8) })];
    for (let file = 0; file < 40; file++) {
      const path = `srv/${layer % 7}/${(layer * 13 + file * 7) % 100}`;
      entries.push({
        path,
        content: `${layer}/${file}\n`.repeat(1 + ((layer * file) % 300)),
        uid: layer,
        mtime: 1000 + layer,
      });
    }
    if (layer % 3 === 2) entries.push({ path: `srv/.wh.${(layer + 4) % 7}` });
    if (layer % 5 === 4) entries.push({ path: `srv/${layer % 7}/.wh..wh..opq` });
    if (layer % 4 === 3) {
      // What was a directory becomes a file or a symlink, and the other way round in a later layer.
      const path = `turn/${layer % 3}`;
      entries.push(dir('turn'), layer % 8 === 3 ? { path, content: 'a file\n' } : { ...dir(path), mode: 0o755 });
      entries.push({ type: 'symlink', path: `turn/link-${layer % 2}`, linkPath: `${layer}` });
    }
    layers.push({ content: entries, compression: layer % 2 === 0 ? 'gzip' : 'none' });
  }
  return layers;
}

/** Thousands of hard links, some into layers below, some to files that a later layer hides or replaces. */
export function manyLinks(): LayerInput[] {
  const files: TarInput[] = [dir('store'), dir('links'), dir('more')];
  for (let n = 0; n < 200; n++)
    files.push({ path: `store/${n}`, content: `${n}\n`.repeat(n * 7), mode: 0o4755, gid: n });
  for (let n = 0; n < 3000; n++) files.push({ type: 'hardlink', path: `links/${n}`, linkPath: `store/${n % 200}` });
  const upper: TarInput[] = [];
  for (let n = 0; n < 1000; n++) upper.push({ type: 'hardlink', path: `more/${n}`, linkPath: `links/${n * 3}` });
  const top: TarInput[] = [{ path: '.wh.store' }, { path: 'links/7', content: 'replaced\n' }];
  for (let n = 100; n < 200; n++) top.push({ path: `links/.wh.${n}` });
  return [{ content: files }, { content: upper }, { content: top }];
}

/** CAP_NET_RAW, permitted and effective, as `setcap cap_net_raw+ep` writes it. */
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
/** user::rw-, user:1000:r--, group::r--, mask::r--, other::--- */
const accessList = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff',
  'hex',
);

/** Extended attributes of every namespace that an image may have, on every kind of file. */
export function manyAttributes(): LayerInput[] {
  const pax = (attributes: Record<string, string | Buffer>) =>
    Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`SCHILY.xattr.${name}`, value]));
  const lower: TarInput[] = [
    dir('bin', { pax: pax({ 'trusted.directory': 'd' }) }),
    { path: 'bin/ping', content: 'ping', mode: 0o755, pax: pax({ 'security.capability': capability }) },
    { path: 'bin/owned', content: 'x', uid: 7, gid: 8, mode: 0o755, pax: pax({ 'security.capability': capability }) },
    { type: 'hardlink', path: 'bin/ping6', linkPath: 'bin/ping' },
    { path: 'listed', content: 'x', mode: 0o640, pax: pax({ 'system.posix_acl_access': accessList }) },
    dir('inherits', { mode: 0o740, pax: pax({ 'system.posix_acl_default': accessList }) }),
    { path: 'inherits/file', content: 'x' },
    {
      path: 'user',
      content: 'x',
      mtime: 5,
      pax: pax({ 'user.comment': 'a=b\nc', 'user.empty': '', 'trusted.t': 't' }),
    },
    { path: 'empty', pax: pax({ 'user.of-an-empty-file': 'x' }) },
    { type: 'symlink', path: 'link', linkPath: 'nowhere', pax: pax({ 'trusted.of-a-link': 'x' }) },
    { type: 'character', path: 'null', deviceMajor: 1, deviceMinor: 3, pax: pax({ 'trusted.of-a-device': 'x' }) },
    { path: 'loses', content: 'x', pax: pax({ 'user.gone': 'x' }) },
    { path: 'archived', content: 'x', pax: { 'LIBARCHIVE.xattr.user.a%3Ab': Buffer.from('value').toString('base64') } },
  ];
  return [{ content: lower }, { content: [{ path: 'loses', content: 'y' }, { path: 'bin/.wh.owned' }] }];
}
