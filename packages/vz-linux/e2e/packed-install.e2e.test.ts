import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const packages = join(import.meta.dirname, '../..');
/** `vz-linux`, and what it stands on. */
const FAMILY = [
  ...['runtime-core', 'erofs', 'vzagent-proto', 'oci-pull', 'host'],
  ...['vzagent', 'linux-vm', 'vz-native', 'vz-linux'],
];

describe('the packages as npm would publish them, installed in an empty project', () => {
  let project: string;
  const tarballs = (): string => join(project, 'tarballs');

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'vz-packed-'));
    await writeFile(join(project, 'package.json'), '{"private":true,"type":"module"}');
    for (const name of FAMILY) {
      await run('pnpm', ['pack', '--pack-destination', tarballs()], { cwd: join(packages, name) });
    }
    const files = (await readdir(tarballs())).map((name) => join(tarballs(), name));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...files], { cwd: project });
  });
  afterAll(() => rm(project, { recursive: true, force: true }));

  it.skipIf(process.platform === 'darwin')(
    'imports on another system, and says why there is nothing to run',
    async () => {
      const script =
        "import { VzLinuxRuntime } from '@zlayer/vz-linux';" +
        'await using runtime = new VzLinuxRuntime({ dataDir: process.cwd() });' +
        'console.log(JSON.stringify(await runtime.availability()));';
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project });
      expect(JSON.parse(stdout)).toEqual({
        available: false,
        reason: `Virtualization.framework is a part of macOS, and this is ${process.platform}`,
        remedy: 'Use @zlayer/qemu here.',
      });
    },
  );

  it.skipIf(process.platform === 'darwin')('says of machines in the process itself the same', async () => {
    const script =
      "import { vzSupport } from '@zlayer/vz-native';" +
      'try { vzSupport(); } catch (error) { console.log(error.code, error.message); }';
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project });
    expect(stdout).toBe(`UNAVAILABLE Virtualization.framework is a part of macOS, and this is ${process.platform}\n`);
  });

  it('has types that compile', async () => {
    await writeFile(
      join(project, 'index.ts'),
      "import { VzDriver, VzLinuxRuntime, type VzLinuxRuntimeOptions } from '@zlayer/vz-linux';\n" +
        "import { queryVzHost, VzMachine, type VzMachineConfig, type VzSupport } from '@zlayer/vz-native';\n" +
        'export const options: VzLinuxRuntimeOptions = { startTimeoutMs: 1 };\n' +
        'export const runtime: VzLinuxRuntime = new VzLinuxRuntime(options);\n' +
        'export const driver = new VzDriver();\n' +
        'export const support = (program: string): Promise<VzSupport> => queryVzHost(program);\n' +
        'export const machine = (config: VzMachineConfig): VzMachine => new VzMachine(config, { console: 2 });\n',
    );
    const compiler = join(packages, '../node_modules/typescript/bin/tsc');
    const flags = [
      '--noEmit',
      '--strict',
      '--target',
      'es2024',
      '--module',
      'nodenext',
      '--lib',
      'es2024,esnext.disposable',
    ];
    const types = ['--typeRoots', join(packages, '../node_modules/@types'), '--types', 'node'];
    await run(process.execPath, [compiler, ...flags, ...types, 'index.ts'], { cwd: project });
  });

  it('carries the entitlements and no program for another system', async () => {
    const installed = join(project, 'node_modules/@zlayer/vz-native');
    expect((await readdir(join(installed, 'native'))).sort()).toEqual(['vz-host.entitlements']);
    expect((await readdir(join(installed, 'dist'))).sort()).toEqual(['index.d.ts', 'index.js']);
  });
});
