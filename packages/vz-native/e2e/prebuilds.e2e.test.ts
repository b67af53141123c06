import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const original = join(import.meta.dirname, '..');
const place = `native/prebuilds/${process.platform}-${process.arch}`;

/** As the workflow makes them on a Mac, here over the double. */
describe('the prebuilt addon and vz-host', () => {
  let root: string;
  let copy: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'vz-prebuilds-'));
    copy = join(root, 'vz-native');
    // prebuildify empties native/build, which other tests use.
    for (const name of ['package.json', 'native', 'scripts', 'test']) {
      const filter = (path: string): boolean => !/native\/(build|prebuilds)$/.test(path);
      await cp(join(original, name), join(copy, name), { recursive: true, filter });
    }
    await symlink(join(original, 'node_modules'), join(copy, 'node_modules'));
    await mkdir(join(root, 'host'));
    await symlink(join(original, '../host/native'), join(root, 'host/native'));
    await symlink(join(original, '../host/dist'), join(root, 'host/dist'));
    await run(process.execPath, [join(original, 'scripts/prebuild.ts'), join(copy, 'native')]);
    await rm(join(copy, 'native/build'), { recursive: true });
    // Compiling takes minutes on a busy machine.
  }, 600_000);
  afterAll(() => rm(root, { recursive: true, force: true }));

  it('lie where they are looked for, and work', async () => {
    expect((await readdir(join(copy, place))).sort()).toEqual(['@zlayer+vz-native.node', 'vz-host']);
    const env = { ...process.env, VZ_DOUBLE_ENTITLEMENTS: 'com.apple.security.virtualization' };
    const { stdout } = await run(join(copy, place, 'vz-host'), ['--query'], { env });
    expect(JSON.parse(stdout)).toMatchObject({ supported: true, entitled: true });
    const { path } = createRequire(import.meta.url)('node-gyp-build') as { path(folder: string): string };
    expect(path(join(copy, 'native'))).toBe(join(copy, place, '@zlayer+vz-native.node'));
    const script = 'console.log(JSON.stringify(require(process.argv[1]).support()))';
    const asked = await run(process.execPath, ['-e', script, path(join(copy, 'native'))], { env });
    expect(JSON.parse(asked.stdout)).toEqual(JSON.parse(stdout));
  });

  it('are in the package, the program as one that can be run, and no source with them', async () => {
    const { stdout } = await run('npm', ['pack', '--json', '--dry-run', '--ignore-scripts'], { cwd: copy });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string; mode: number }[] }];
    const modes = Object.fromEntries(files.map(({ path, mode }) => [path, mode & 0o111]));
    expect(modes[`${place}/vz-host`]).toBe(0o111);
    expect(Object.keys(modes)).toContain(`${place}/@zlayer+vz-native.node`);
    expect(Object.keys(modes).filter((path) => /\.(mm|cc|h|gyp|ts)$/.test(path))).toEqual([]);
  });
});
