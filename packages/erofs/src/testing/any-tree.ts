import fc from 'fast-check';
import { ACL, bytes, CAPABILITY, type Meant } from './tree.ts';

const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f);
const name = fc
  .oneof(
    { weight: 4, arbitrary: fc.stringMatching(/^[a-z!]{1,3}$/) },
    { weight: 2, arbitrary: fc.array(byte, { minLength: 1, maxLength: 40 }).map((all) => String.fromCharCode(...all)) },
    { weight: 1, arbitrary: fc.stringMatching(/^[a-z]$/).map((letter) => letter.repeat(255)) },
  )
  .filter((text) => text !== '.' && text !== '..');

const size = fc.oneof(
  fc.constantFrom(0, 1, 2047, 2048, 2049, 4000, 4064, 4095, 4096, 4097, 8191, 8192, 6144, 6145),
  fc.nat({ max: 3000 }),
  fc.nat({ max: 30_000 }),
);

const xattrName = fc.constantFrom(
  ...['user.a', 'user.b', `user.${'n'.repeat(250)}`, 'trusted.overlay.opaque', 'security.other'],
);
const xattrValue = fc
  .tuple(fc.oneof(fc.constantFrom(0, 1, 3, 4, 255, 256, 3900), fc.nat({ max: 300 })), fc.nat({ max: 2 }))
  .map(([length, seed]) => bytes(length, seed));
const xattr = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(xattrName, xattrValue) },
  // The kernel looks into these.
  {
    weight: 1,
    arbitrary: fc.constantFrom(['security.capability', CAPABILITY] as const, ['system.posix_acl_access', ACL] as const),
  },
);
const xattrs = fc.oneof(
  { weight: 3, arbitrary: fc.constant<(readonly [string, Buffer])[]>([]) },
  { weight: 2, arbitrary: fc.array(xattr, { maxLength: 5 }) },
  {
    weight: 1,
    arbitrary: fc
      .nat({ max: 200 })
      .map((count) =>
        Array.from({ length: count }, (_, index): [string, Buffer] => [`user.${index}`, bytes(20, index)]),
      ),
  },
);

const attributes = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.constantFrom(0, 65_535, 65_536, 0xffff_fffe), fc.nat({ max: 2000 })),
  gid: fc.oneof(fc.constantFrom(0, 65_535, 65_536, 0xffff_fffe), fc.nat({ max: 2000 })),
  mtime: fc.oneof(fc.constantFrom(0, 1_700_000_000, 2 ** 31, 2 ** 33), fc.nat({ max: 2_000_000_000 })),
  nanoseconds: fc.oneof(fc.constant(0), fc.nat({ max: 999_999_999 })),
  xattrs: xattrs.map((all) => new Map(all)),
});

const content = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(size, fc.nat({ max: 3 }))
      .map(([length, seed]) => ({ type: 'file' as const, content: bytes(length, seed) })),
  },
  {
    weight: 2,
    arbitrary: fc
      .oneof(fc.constantFrom(1, 4000, 4032, 4033, 4095), fc.integer({ min: 1, max: 200 }))
      .map((length) => ({ type: 'symlink' as const, target: 't\xff'.repeat(length).slice(0, length) })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('character-device' as const, 'block-device' as const),
      device: fc.tuple(fc.nat({ max: 0xfff }), fc.nat({ max: 0xf_ffff })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('fifo' as const, 'socket' as const) }) },
);
const leaf: fc.Arbitrary<Meant> = fc.tuple(attributes, content).map(([common, rest]) => ({ ...common, ...rest }));

/** Any tree that EROFS can hold and a kernel can show. */
export const { directory: anyDirectory } = fc.letrec<{ entry: Meant; directory: Meant }>((tie) => ({
  entry: fc.oneof({ depthSize: 'small', maxDepth: 4 }, leaf, tie('directory')),
  directory: fc
    .tuple(
      attributes,
      fc.array(fc.tuple(name, tie('entry')), { maxLength: 6 }),
      fc.array(fc.tuple(name, fc.nat()), { maxLength: 3 }),
    )
    .map(([common, all, links]) => {
      const entries = new Map(all);
      // Hard links to what is there already.
      const targets = [...entries.values()].filter(({ type }) => type !== 'directory');
      for (const [link, index] of links) {
        const target = targets[index % targets.length];
        if (target !== undefined && !entries.has(link)) entries.set(link, target);
      }
      return { ...common, type: 'directory' as const, entries };
    }),
}));
