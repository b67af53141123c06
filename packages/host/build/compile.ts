import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../native', import.meta.url));

const STRICT = ['-std=c11', '-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Werror'];
const SYSTEM: Partial<Record<NodeJS.Platform, string[]>> = {
  linux: ['-D_GNU_SOURCE', '-fPIE', '-pie', '-Wl,-z,relro,-z,now,-z,noexecstack'],
  darwin: ['-D_DARWIN_C_SOURCE', '-fPIE'],
};

export interface CompileOptions {
  output: string;
  flags: readonly string[];
  /** Absolute path of the C file with `main`. Default: the host program's own. */
  main?: string;
}

/** Compiles the host program's sources into one executable. */
export function compile({ output, flags, main = join(sources, 'main.c') }: CompileOptions): void {
  const others = readdirSync(sources).filter((name) => name.endsWith('.c') && name !== 'main.c');
  const compiler = process.env['CC'] || 'cc';
  mkdirSync(dirname(output), { recursive: true });
  const { status, error, stderr } = spawnSync(
    compiler,
    [
      ...STRICT,
      ...(SYSTEM[process.platform] ?? []),
      ...flags,
      `-I${sources}`,
      '-o',
      output,
      main,
      ...others.sort().map((name) => join(sources, name)),
    ],
    { encoding: 'utf8' },
  );
  if (error !== undefined) {
    throw new Error(
      `@zlayer/host needs a C compiler to build zlayer-host, and ${compiler} cannot be run (${error.message}). ` +
        'Install one (Debian: apt-get install build-essential; macOS: xcode-select --install), or name it with CC.',
    );
  }
  if (status !== 0) throw new Error(`@zlayer/host: ${compiler} failed:\n${stderr}`);
}
