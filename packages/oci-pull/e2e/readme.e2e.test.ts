import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { pushLayout, startRegistry, writeImageLayout } from '../src/testing/index.ts';

const run = promisify(execFile);

test("the README's first example runs as it stands, but for the name of the image", async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-readme-'));
  try {
    await using registry = await startRegistry();
    const layers = [{ content: [{ path: 'hello', content: 'hello' }] }];
    const config = { Cmd: ['/hello'], Env: ['A=b'] };
    await writeImageLayout(join(directory, 'layout'), {
      name: 'a',
      images: [{ architecture: 'arm64', layers, config }],
    });
    await pushLayout(join(directory, 'layout'), 'a', `${registry.host}/library/alpine:3.20`);

    const program = example
      .replace('docker.io/library', `${registry.host}/library`)
      .replace('@zlayer/oci-pull', new URL('../src/index.ts', import.meta.url).href);
    expect(program).not.toBe(example);
    await writeFile(join(directory, 'example.ts'), program);
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    const packages = fileURLToPath(new URL('../node_modules', import.meta.url));
    await symlink(packages, join(directory, 'node_modules'));
    const { stdout } = await run(process.execPath, ['example.ts'], { cwd: directory });
    expect(stdout).toMatch(/sha256:[0-9a-f]{64} done ([0-9]+)\/\1\n/);
    expect(stdout).toMatch(/\/unpacked\/sha256\/[0-9a-f]{64}\/rootfs \[\] \[ '\/hello' \] \[ 'A=b' \]\n$/);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
