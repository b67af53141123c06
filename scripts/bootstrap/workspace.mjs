// The npm dependencies of the workspace, and its build.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, root } from './paths.mjs';
import { run, step } from './steps.mjs';
import { hashFiles, toolchainEnvironment } from './toolchain.mjs';

const packages = join(root, 'packages');

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist', '.turbo'].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function builtPackages() {
  return readdirSync(packages).filter((name) => {
    const manifest = join(packages, name, 'package.json');
    return existsSync(manifest) && 'build' in (JSON.parse(readFileSync(manifest, 'utf8')).scripts ?? {});
  });
}

function stampedStep(title, { stampName, state, products, work }) {
  const stamp = join(cache, 'stamps', stampName);
  return step(title, {
    done: () => products().every(existsSync) && existsSync(stamp) && readFileSync(stamp, 'utf8') === state(),
    run: async () => {
      const before = state();
      await work();
      mkdirSync(join(cache, 'stamps'), { recursive: true });
      writeFileSync(stamp, before);
    },
  });
}

export async function installDependencies() {
  const manifests = [
    ...['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'].map((name) => join(root, name)),
    ...readdirSync(packages).map((name) => join(packages, name, 'package.json')),
  ].filter(existsSync);
  await stampedStep('Install npm dependencies', {
    stampName: 'dependencies',
    state: () => hashFiles(manifests),
    products: () => [join(root, 'node_modules')],
    work: () => run('pnpm', ['install', '--frozen-lockfile'], { cwd: root, env: toolchainEnvironment(), quiet: true }),
  });
}

export async function buildWorkspace() {
  // Names, sizes and times of the sources: cheap enough to compare at every start, where turbo would cost a second.
  const state = () =>
    [join(root, 'pnpm-lock.yaml'), join(root, 'tsconfig.base.json'), join(root, 'turbo.json'), ...filesBelow(packages)]
      .map((file) => [file, statSync(file)])
      .map(([file, { size, mtimeMs }]) => `${file} ${size} ${mtimeMs}`)
      .join('\n');
  await stampedStep('Build the packages', {
    stampName: 'build',
    state,
    products: () => builtPackages().map((name) => join(packages, name, 'dist')),
    work: () =>
      run('pnpm', ['exec', 'turbo', 'run', 'build', '--output-logs=errors-only'], {
        cwd: root,
        env: toolchainEnvironment(),
        quiet: true,
      }),
  });
}
