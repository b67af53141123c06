import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The folder of `binding.gyp`. */
export const NATIVE = fileURLToPath(new URL('../native', import.meta.url));

/** For speed; or for tests, with the address and undefined-behaviour sanitizers. */
export type Configuration = 'Release' | 'Debug';

/**
 * Builds what `binding.gyp` holds, as far as it is not built yet: over Apple's framework on macOS, elsewhere over the
 * double. Resolves with the folder of the programs and the addon.
 */
export async function build(configuration: Configuration = 'Release', directory: string = NATIVE): Promise<string> {
  await nodeGyp(directory, 'configure', `--nodedir=${nodeFolder()}`);
  await nodeGyp(
    directory,
    'build',
    `--jobs=${availableParallelism()}`,
    ...(configuration === 'Debug' ? ['--debug'] : []),
  );
  return join(directory, 'build', configuration);
}

/** What a build is told of this system. It calls `node`, which has to be this one. */
export function buildEnvironment(): NodeJS.ProcessEnv {
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  return { ...process.env, PATH, ...(process.platform === 'darwin' ? {} : { GYP_DEFINES: 'vz_double=1' }) };
}

/** Of the very Node that runs this: the headers of another may not fit, and are not downloaded. */
export function nodeFolder(): string {
  const folder = join(dirname(process.execPath), '..');
  if (existsSync(join(folder, 'include/node/node_api.h'))) return folder;
  throw new Error(
    `@zlayer/vz-native: ${process.execPath} has no headers in ${folder}/include. ` +
      'Use a Node with them, such as the one that `npm start` brings, or one from nodejs.org.',
  );
}

async function nodeGyp(cwd: string, ...args: string[]): Promise<void> {
  const program = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const options = { cwd, env: buildEnvironment(), maxBuffer: 64 * 1024 ** 2 };
  try {
    await promisify(execFile)(process.execPath, [program, ...args], options);
  } catch (cause) {
    const { message, stdout = '', stderr = '' } = cause as Error & { stdout?: string; stderr?: string };
    const remedy = process.platform === 'darwin' ? 'xcode-select --install' : 'apt-get install clang-16 make python3';
    const output = stdout + stderr || message;
    throw new Error(`@zlayer/vz-native: node-gyp ${args[0]} failed (does it lack a tool? ${remedy}):\n${output}`, {
      cause,
    });
  }
}
