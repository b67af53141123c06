/**
 * prebuild [FOLDER]: makes `prebuilds/<system>-<processor>` there with the addon and vz-host, signed ad hoc on macOS.
 * Default: `native`. Elsewhere than on macOS they are over the double, and of use to tests alone.
 */
import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { signProgram } from '../src/sign-program.ts';
import { buildEnvironment, NATIVE, nodeFolder } from './node-gyp.ts';

const { resolve } = createRequire(import.meta.url);
const [folder = NATIVE] = process.argv.slice(2);
const env = {
  ...buildEnvironment(),
  // It would download headers, and call whichever node-gyp there is.
  npm_config_nodedir: nodeFolder(),
  PREBUILD_NODE_GYP: resolve('node-gyp/bin/node-gyp.js'),
};
const target = process.versions.node;
await promisify(execFile)(
  process.execPath,
  [resolve('prebuildify/bin.js'), '--napi', '--strip', '--name=@zlayer/vz-native', `--target=${target}`],
  {
    ...{ cwd: folder, env, maxBuffer: 64 * 1024 ** 2 },
  },
);
const host = join(folder, 'prebuilds', `${process.platform}-${process.arch}`, 'vz-host');
await copyFile(join(folder, 'build/Release/vz-host'), host);
if (process.platform === 'darwin') await signProgram(host);
