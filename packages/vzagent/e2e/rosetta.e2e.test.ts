import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { debianPackage, resolveGuest } from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { startShell } from './testing/start-spec.ts';

it('runs x86-64 programs on arm64 with the interpreter that the host shares, and no others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vzagent-rosetta-'));
  try {
    const image = join(folder, 'image');
    const share = join(folder, 'share');
    await mkdir(share);
    await makeContainerRoot(image, 'arm64');
    const { root } = await debianPackage('busybox-static', { architecture: 'amd64' });
    await copyFile(join(root, 'bin/busybox'), join(image, 'bin/foreign'));
    await compileStatic('arm64', ['interpreter.c'], join(import.meta.dirname, 'testing'), join(share, 'rosetta'));
    await makeErofs(join(folder, 'root.erofs'), image);
    await using machine = await Machine.boot({
      ...(await resolveGuest({ architecture: 'arm64' })),
      share: { tag: 'rosetta', path: share },
      devices: diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
    });
    const outcome = await startShell(machine.client(), 'uname -m; foreign one two; echo $?; ls /rosetta');
    expect(outcome.stdout).toBe('aarch64\n/bin/foreign one two translated\n42\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
