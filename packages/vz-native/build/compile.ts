import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
export const CORE = folder('../native/core');
export const HOST = folder('../native/host');
export const ADDON = folder('../native/addon');
export const DOUBLE = folder('../test/double');
/** What every host program is made of. */
const HOST_C = folder('../../host/native');
const HOST_C_PARTS = [
  ...['clock', 'control', 'descriptors', 'failure', 'identity', 'json'],
  ...['run_directory', 'socket_path', 'text', 'utf8'],
].map((name) => join(HOST_C, `${name}.c`));

/** The include path is all that differs between the framework and its double. */
interface Framework {
  compiler: string;
  objectiveC: string[];
  common: string[];
  sources: string[];
  libraries: string[];
}

const STRICT = ['-Wall', '-Wextra', '-Wshadow', '-Werror'];
const CPP = ['-std=c++20', '-fblocks', '-fexceptions'];

const APPLE: Framework = {
  compiler: 'clang++',
  objectiveC: ['-fno-objc-arc', '-fobjc-exceptions'],
  common: ['-D_DARWIN_C_SOURCE', '-mmacosx-version-min=13.0'],
  sources: [],
  libraries: ['-framework', 'Foundation', '-framework', 'Virtualization', '-framework', 'Security'],
};

const DOUBLED: Framework = {
  compiler: 'clang++-16',
  objectiveC: [
    ...['-fobjc-runtime=gcc', '-fobjc-exceptions', '-fconstant-string-class=NSConstantString'],
    ...['-DGNUSTEP', '-DGNUSTEP_BASE_LIBRARY=1', '-D_NATIVE_OBJC_EXCEPTIONS'],
    ...['-isystem', '/usr/include/GNUstep', '-isystem', objcHeaders()],
  ],
  common: ['-D_GNU_SOURCE', `-I${join(DOUBLE, 'include')}`],
  sources: sourcesIn(DOUBLE),
  // GNUstep has a _Block_copy of its own that copies nothing: the real one comes first.
  libraries: ['-lBlocksRuntime', '-lgnustep-base', '-lobjc', '-lpthread'],
};

/** GCC's headers of its Objective-C runtime, of whichever version is there. */
export function objcHeaders(): string {
  const base = `/usr/lib/gcc/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const versions = process.platform === 'linux' ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  return join(
    base,
    versions.find((version) => readdirSync(join(base, version, 'include')).includes('objc')) ?? '12',
    'include',
  );
}

export function sourcesIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => ['.mm', '.cc'].includes(extname(name)))
    .sort()
    .map((name) => join(directory, name));
}

export interface CompileOptions {
  output: string;
  sources: readonly string[];
  /** Such as those of a sanitizer. Default: for speed. */
  flags?: readonly string[];
  /** Over Apple's framework, or over the double. Default: Apple's on macOS, else the double. */
  double?: boolean;
  /** An addon of Node, in place of a program. */
  addon?: boolean;
  /** The `zlayer-host` that the double's machines run under. */
  hostProgram?: string;
}

/** Compiles sources, the parts that every host program shares, and what stands for the framework, into one binary. */
export async function compile(options: CompileOptions): Promise<void> {
  const { output, sources, addon = false, double = process.platform !== 'darwin' } = options;
  const flags = [...(options.flags ?? ['-O2']), ...(addon ? ['-fPIC', '-fvisibility=hidden'] : [])];
  const { compiler, objectiveC, common, sources: frameworkSources, libraries } = double ? DOUBLED : APPLE;
  const objects = mkdtempSync(join(tmpdir(), 'vz-native-'));
  // For quoted names only: the system's limits.h is not ours.
  const include = [CORE, HOST, HOST_C].flatMap((path) => ['-iquote', path]);
  // Those of the very Node that runs this: another's may not fit.
  const node = addon ? nodeHeaders() : [];
  const host = options.hostProgram === undefined ? [] : [`-DZLAYER_HOST_PROGRAM="${options.hostProgram}"`];
  const toObject = async (source: string, index: number): Promise<string> => {
    const object = join(objects, `${index}-${basename(source)}.o`);
    const language = {
      '.c': ['-x', 'c', '-std=c11'],
      '.cc': ['-x', 'c++', ...CPP],
      '.mm': ['-x', 'objective-c++', ...CPP, ...objectiveC],
    }[extname(source)];
    await run(compiler, [
      ...[...(language ?? []), ...STRICT, ...common, ...flags, ...include, ...node, ...host],
      ...['-c', source, '-o', object],
    ]);
    return object;
  };
  try {
    const made = await inParallel([...sources, ...HOST_C_PARTS, ...(double ? frameworkSources : [])], toObject);
    mkdirSync(dirname(output), { recursive: true });
    const kind = addon ? ['-shared', ...(double ? [] : ['-undefined', 'dynamic_lookup'])] : [];
    await run(compiler, [...flags, ...kind, ...made, ...libraries, '-o', output]);
  } finally {
    rmSync(objects, { recursive: true });
  }
}

function nodeHeaders(): string[] {
  const node = join(dirname(process.execPath), '../include/node');
  const folders = [node, dirname(createRequire(import.meta.url).resolve('node-addon-api'))];
  return [...folders.flatMap((path) => ['-isystem', path]), '-DNAPI_VERSION=9', '-DNAPI_CPP_EXCEPTIONS'];
}

async function run(compiler: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(compiler, args);
  } catch (cause) {
    const { code, message, stderr } = cause as NodeJS.ErrnoException & { stderr?: string };
    if (code !== 'ENOENT') throw new Error(`@zlayer/vz-native: ${compiler} failed:\n${stderr ?? message}`, { cause });
    const remedy = process.platform === 'darwin' ? 'xcode-select --install' : 'apt-get install clang-16';
    throw new Error(`@zlayer/vz-native needs ${compiler}, which is missing. Install it: ${remedy}`, { cause });
  }
}

/** As many at a time as there are processors. */
async function inParallel<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}
