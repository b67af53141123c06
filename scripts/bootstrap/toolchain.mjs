// The Node and the pnpm that build and run this checkout, from the npm registry, whatever the machine has.

import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { cache, root } from './paths.mjs';
import { run, SetupError, step } from './steps.mjs';

const NODE_FLOOR = [22, 19];
const manifests = ['package.json', 'package-lock.json'].map((name) => join(root, 'scripts', 'bootstrap', name));
const folder = join(cache, 'toolchain');
const stamp = join(folder, 'stamp');

const target = `${process.platform}-${process.arch}`;
const nodeFolder = join(folder, 'node_modules', `node-${target}`);
const nodeProgram = join(nodeFolder, 'bin', 'node');
const pnpmFolder = join(folder, 'node_modules', '@pnpm', `exe.${target}`);

export function hashFiles(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** The packages are optional, one set for each system, and npm says nothing when an optional package cannot be had. */
function checkDelivery() {
  if (existsSync(pnpmFolder) && (existsSync(nodeProgram) || ownNodeIsNewEnough())) return;
  const { optionalDependencies } = JSON.parse(readFileSync(manifests[0], 'utf8'));
  const wanted = [`node-${target}`, `@pnpm/exe.${target}`].filter((name) => name in optionalDependencies);
  if (wanted.length === 0)
    throw new SetupError(`this checkout can be built on Linux and on Macs with Apple silicon, not on ${target}`);
  throw new SetupError(
    `npm has not installed ${wanted.join(' and ')}. Check that this works: npm pack ${wanted[0]} (network, proxy, certificates).`,
  );
}

export async function installToolchain() {
  const wanted = `${target} ${hashFiles(manifests)}`;
  await step('Install Node and pnpm from the npm registry', {
    done: () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted,
    run: async () => {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      for (const file of manifests) copyFileSync(file, join(folder, file.slice(dirname(file).length + 1)));
      await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
        cwd: folder,
        quiet: true,
      });
      checkDelivery();
      writeFileSync(stamp, wanted);
    },
  });
}

function ownNodeIsNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1]);
}

/** The Node that runs the project: the one from the registry, or on a Mac the developer's own. */
export function node() {
  if (existsSync(nodeProgram)) return nodeProgram;
  if (ownNodeIsNewEnough()) return process.execPath;
  throw new SetupError(
    `Node ${NODE_FLOOR.join('.')} or later is needed, this is ${process.versions.node}: install a newer one`,
  );
}

/** The environment in which everything else runs. */
export function toolchainEnvironment() {
  const program = node();
  return {
    ...process.env,
    PATH: [dirname(program), pnpmFolder, process.env.PATH].join(delimiter),
    // A machine's npm configuration may point at the headers of another Node.
    npm_config_nodedir: dirname(dirname(program)),
    ZLAYER_CACHE_DIR: process.env.ZLAYER_CACHE_DIR ?? cache,
    TURBO_TELEMETRY_DISABLED: '1',
  };
}
