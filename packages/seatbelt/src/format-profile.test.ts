import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TYPICAL_POLICIES } from '../test/policies.ts';
import { explain, formatProfile, parseProfile, type SandboxPolicy, sandboxExecArguments } from './index.ts';
import { decidingRule } from './language/evaluate.ts';

const ROOTFS = '/private/var/c/rootfs';
const WORKSPACE = '/private/var/c/tmp';
const BASE: SandboxPolicy = { rootfs: ROOTFS, workspace: WORKSPACE };
/** Places that a policy of these tests never names. */
const FORBIDDEN = ['/Users/other/secret', '/private/etc/master.passwd', '/private/var/db/x', '/', '/dev/disk0'];

describe('golden profiles', () => {
  test.each(Object.entries(TYPICAL_POLICIES))('%s is as it was reviewed', async (name, policy) => {
    const { text, parameters } = formatProfile(policy);
    const values = Object.entries(parameters).map(([key, value]) => `; -D ${key}=${value}\n`);
    const golden = await readFile(join(import.meta.dirname, `../test/golden/${name}.sb`), 'utf8');
    expect(`${values.join('')}${text}`).toBe(golden);
  });
});

/** Pieces that have meaning in profiles, on command lines or to those who read them. */
const hostile = fc.oneof(
  fc.constantFrom(
    '"',
    '\\',
    '\n',
    '\r',
    '(',
    ')',
    ';',
    '#"',
    ' ',
    '=',
    '\u202e',
    '\u200f',
    '\t',
    '(allow default)',
    '-D',
  ),
  fc.constantFrom('"))\n(allow file-write* (subpath "/"))', '(param "ROOTFS")', '\\"', '%s', '$HOME', '*', 'é', 'é'),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const name = fc
  .array(hostile, { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join('').replaceAll('/', '_').replaceAll('\0', '_'))
  .filter((text) => text !== '.' && text !== '..' && text !== '' && Buffer.byteLength(text) < 1000);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/Volumes/${names.join('/')}`);

describe('whatever a path holds', () => {
  test('it changes no rule but its own: the text is the same for every path', () => {
    const shape = formatProfile({ ...BASE, folders: [{ path: '/Volumes/x', access: 'read', storage: 0 }] });
    fc.assert(
      fc.property(path, (hostilePath) => {
        const made = formatProfile({ ...BASE, folders: [{ path: hostilePath, access: 'read', storage: 0 }] });
        expect(made.text).toBe(shape.text);
        expect(made.parameters['FOLDER_0']).toBe(hostilePath);
      }),
      { numRuns: 500 },
    );
  });

  test('its rules are about itself and nothing beside it', () => {
    fc.assert(
      fc.property(path, fc.constantFrom('read', 'write'), (folder, access) => {
        const profile = formatProfile({ ...BASE, folders: [{ path: folder, access }] });
        const rules = parseProfile(profile.text, profile.parameters);
        const allowed = (operation: string, at: string) =>
          decidingRule(rules, { operation, path: at })?.action === 'allow';
        for (const inside of [folder, `${folder}/file`]) {
          expect(allowed('file-read-data', inside)).toBe(true);
          expect(allowed('file-write-data', inside)).toBe(access === 'write');
        }
        for (const beside of [`${folder}x`, '/Volumes', ...FORBIDDEN.filter((place) => place !== '/')]) {
          expect(allowed('file-read-data', beside)).toBe(false);
        }
        for (const beside of [`${folder}x`, '/Volumes', ...FORBIDDEN]) {
          expect(allowed('file-write-create', beside)).toBe(false);
          expect(allowed('file-write-unlink', beside)).toBe(false);
        }
        expect(allowed('network-outbound', beside(folder))).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['NUL', '/Volumes/a\0b'],
    ['half a surrogate pair', '/Volumes/\ud800'],
    ['more than 4 KiB', `/${'a'.repeat(4096)}`],
    ['a relative path', 'a'],
    ['nothing', ''],
    ['the root', '/'],
    ['a slash at its end', '/a/'],
    ['..', '/a/../b'],
  ])('it is refused by the name of its field if it is no real path: %s', (_what, bad) => {
    expect(() => formatProfile({ ...BASE, folders: [{ path: bad, access: 'read' }] })).toThrow(
      expect.objectContaining({ code: 'INVALID_SPEC', subject: 'folders[0].path' }),
    );
    expect(() => formatProfile({ ...BASE, rootfs: bad })).toThrow(expect.objectContaining({ subject: 'rootfs' }));
    const unixSockets = [{ path: bad, access: 'connect' as const }];
    expect(() => formatProfile({ ...BASE, unixSockets })).toThrow(
      expect.objectContaining({ subject: 'unixSockets[0].path' }),
    );
  });

  test('a path of exactly 4 KiB is a path', () => {
    const long = `/${'a'.repeat(4095)}`;
    expect(formatProfile({ ...BASE, workspace: long }).parameters['WORKSPACE']).toBe(long);
  });
});

function beside(folder: string): string {
  return `${folder}.sock`;
}

describe('folders', () => {
  /** Few names, so that folders lie in each other often. */
  const shortPath = fc
    .array(fc.constantFrom('a', 'b', 'a!'), { minLength: 1, maxLength: 4 })
    .map((p) => `/v/${p.join('/')}`);
  const folders = fc.uniqueArray(fc.record({ path: shortPath, access: fc.constantFrom('read', 'write') }), {
    selector: (folder) => folder.path,
    maxLength: 6,
  });

  test('the innermost one decides, in whatever order they are given', () => {
    fc.assert(
      fc.property(folders, shortPath, fc.nat(), (given, at, seed) => {
        const profile = formatProfile({ ...BASE, folders: given });
        const shuffled = given.toSorted(
          (a, b) => ((a.path.length * 31 + seed) % 7) - ((b.path.length * 31 + seed) % 7),
        );
        expect(formatProfile({ ...BASE, folders: shuffled })).toEqual(profile);

        const around = given.filter((folder) => `${at}/`.startsWith(`${folder.path}/`));
        const innermost = around.toSorted((a, b) => a.path.length - b.path.length).at(-1);
        expect(explain(profile, { operation: 'file-read-data', path: at }).allowed).toBe(innermost !== undefined);
        expect(explain(profile, { operation: 'file-write-data', path: at }).allowed).toBe(
          innermost?.access === 'write',
        );
      }),
      { numRuns: 500 },
    );
  });

  test("a read-only folder around the container's own leaves those writable", () => {
    const profile = formatProfile({ ...BASE, folders: [{ path: '/private/var', access: 'read' }] });
    expect(explain(profile, { operation: 'file-write-data', path: `${ROOTFS}/x` }).allowed).toBe(true);
    expect(explain(profile, { operation: 'file-write-data', path: '/private/var/x' }).allowed).toBe(false);
  });

  test('a read-only root file system is not written, and a workspace in it is', () => {
    const profile = formatProfile({ rootfs: '/v', workspace: '/v/tmp', readOnlyRoot: true });
    expect(explain(profile, { operation: 'file-write-create', path: '/v/x' }).rule?.section).toContain('readOnlyRoot');
    expect(explain(profile, { operation: 'file-read-data', path: '/v/x' }).allowed).toBe(true);
    expect(explain(profile, { operation: 'file-write-create', path: '/v/tmp/x' }).allowed).toBe(true);
    expect(() => formatProfile({ rootfs: '/v', workspace: '/v', readOnlyRoot: true })).toThrow('workspace');
  });

  test('one path cannot be both read-only and writable, not even the root file system', () => {
    const both: SandboxPolicy['folders'] = [
      { path: '/v', access: 'read' },
      { path: '/v', access: 'write' },
    ];
    expect(() => formatProfile({ ...BASE, folders: both })).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
    expect(() => formatProfile({ ...BASE, folders: [{ path: ROOTFS, access: 'read' }] })).toThrow('folders[0].path');
  });

  test('too many of them are refused', () => {
    const many = Array.from({ length: 257 }, (_, index) => ({ path: `/v/${index}`, access: 'read' as const }));
    expect(() => formatProfile({ ...BASE, folders: many })).toThrow(expect.objectContaining({ subject: 'folders' }));
  });
});

describe('network', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const ports = fc.uniqueArray(port, { maxLength: 5 });

  test('exactly the ports of the policy are allowed, in the direction that it says', () => {
    fc.assert(
      fc.property(ports, ports, ports, port, (bindPorts, connectPorts, outboundPorts, other) => {
        const profile = formatProfile({
          ...BASE,
          network: { mode: 'localhost', bindPorts, connectPorts, outboundPorts },
        });
        const rules = parseProfile(profile.text, profile.parameters);
        const allowed = (operation: string, side: 'local' | 'remote', host: string, at: number) =>
          decidingRule(rules, { operation, [side]: { host, port: at } })?.action === 'allow';
        for (const at of [...bindPorts, ...connectPorts, ...outboundPorts, other]) {
          expect(allowed('network-bind', 'local', '127.0.0.1', at)).toBe(bindPorts.includes(at));
          expect(allowed('network-inbound', 'local', '::1', at)).toBe(bindPorts.includes(at));
          expect(allowed('network-bind', 'local', '0.0.0.0', at)).toBe(false);
          const outside = outboundPorts.includes(at);
          expect(allowed('network-outbound', 'remote', '192.0.2.1', at)).toBe(outside);
          expect(allowed('network-outbound', 'remote', '127.0.0.1', at)).toBe(outside || connectPorts.includes(at));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('none means none: no rule of the profile is about the network', () => {
    const rules = parseProfile(formatProfile(BASE).text, formatProfile(BASE).parameters);
    expect(
      rules.flatMap(({ operations }) => operations).filter((operation) => operation.startsWith('network')),
    ).toEqual([]);
  });

  test.each([0, -1, 65_536, 1.5, Number.NaN])('port %d is refused by the name of its list', (bad) => {
    const network = { mode: 'localhost' as const, bindPorts: [bad], connectPorts: [] };
    expect(() => formatProfile({ ...BASE, network })).toThrow(
      expect.objectContaining({ code: 'INVALID_SPEC', subject: 'network.bindPorts' }),
    );
  });

  test('a mode that is not known is refused and never read as no rule or every rule', () => {
    const network = JSON.parse('{"mode":"everything"}') as SandboxPolicy['network'];
    expect(() => formatProfile({ ...BASE, network })).toThrow(expect.objectContaining({ subject: 'network.mode' }));
  });

  test('a Unix socket is allowed by its own path only', () => {
    const profile = formatProfile({ ...BASE, unixSockets: [{ path: '/v/api.sock', access: 'connect' }] });
    expect(explain(profile, { operation: 'network-outbound', path: '/v/api.sock' }).allowed).toBe(true);
    expect(explain(profile, { operation: 'network-outbound', path: '/v/other.sock' }).allowed).toBe(false);
    expect(explain(profile, { operation: 'network-bind', path: '/v/api.sock' }).allowed).toBe(false);
    const listening = formatProfile({ ...BASE, unixSockets: [{ path: '/v/api.sock', access: 'listen' }] });
    expect(explain(listening, { operation: 'network-bind', path: '/v/api.sock' }).allowed).toBe(true);
    expect(explain(listening, { operation: 'file-write-create', path: '/v/other' }).allowed).toBe(false);
  });
});

describe('explain', () => {
  const profile = formatProfile({ ...BASE, folders: [{ path: '/v', access: 'read', storage: 3 }], gpu: 'mps' });

  test('names the rule and the part of the spec that it serves', () => {
    const { allowed, rule } = explain(profile, { operation: 'file-write-data', path: '/v/file' });
    expect(allowed).toBe(false);
    expect(rule).toMatchObject({
      section: 'storage[3]: read-only',
      text: '(deny file-write* (subpath (param "FOLDER_0")))',
    });
    expect(profile.text.split('\n')[(rule?.line ?? 0) - 1]).toBe(rule?.text);
  });

  test('tells of the default where no rule is about the request', () => {
    expect(explain(profile, { operation: 'file-read-data', path: '/Users/x' }).rule?.text).toBe('(deny default)');
    expect(explain({ text: '(version 1)', parameters: {} }, { operation: 'x' })).toEqual({
      allowed: false,
      rule: undefined,
    });
  });

  test('knows services, classes and targets', () => {
    const compiler = { type: 'global-name', value: 'com.apple.MTLCompilerService' };
    expect(explain(profile, { operation: 'mach-lookup', name: compiler }).rule?.section).toMatch(/^GPU \(mps\)/);
    expect(explain(formatProfile(BASE), { operation: 'mach-lookup', name: compiler }).allowed).toBe(false);
    const driver = { type: 'iokit-registry-entry-class', value: 'AGXAcceleratorG17G' };
    expect(explain(profile, { operation: 'iokit-open-service', name: driver }).allowed).toBe(true);
    expect(explain(profile, { operation: 'signal', target: 'self' }).allowed).toBe(true);
    expect(explain(profile, { operation: 'signal', target: 'others' }).allowed).toBe(false);
  });
});

test('every denial carries the tag, and a tag that could be more than a word is refused', () => {
  const folders = [{ path: '/v', access: 'read' as const }];
  const { text, parameters } = formatProfile({ ...BASE, folders, tag: 'web-1' });
  const denials = parseProfile(text, parameters).filter((rule) => rule.action === 'deny');
  expect(denials.map((rule) => rule.message)).toEqual(['web-1', 'web-1']);
  for (const tag of ['', 'a b', '"', 'a\nb', 'x'.repeat(65)]) {
    expect(() => formatProfile({ ...BASE, tag })).toThrow(expect.objectContaining({ subject: 'tag' }));
  }
});

test("a terminal that the process did not open itself, as the user's own, stays closed", () => {
  const request = { operation: 'file-write-data', path: '/dev/ttys001' };
  expect(explain(formatProfile(BASE), request).allowed).toBe(false);
  const name = { type: 'extension', value: 'com.apple.sandbox.pty' };
  expect(explain(formatProfile(BASE), { ...request, name }).allowed).toBe(true);
});

test('the arguments of sandbox-exec hold each value as one argument, and the command after all options', () => {
  const profile = formatProfile({ ...BASE, workspace: '/a=b -p' });
  const values = ['-D', 'WORKSPACE=/a=b -p', '-D', `ROOTFS=${ROOTFS}`];
  const args = sandboxExecArguments(profile, ['/bin/echo', '-p']);
  expect(args).toEqual(['-p', profile.text, ...values, '--', '/bin/echo', '-p']);
  expect(() => sandboxExecArguments(profile, [])).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
});
