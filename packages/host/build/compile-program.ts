import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const STRICT = ['-std=c11', '-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Werror'];
const SYSTEM: Partial<Record<NodeJS.Platform, string[]>> = {
  linux: ['-D_GNU_SOURCE', '-fPIE', '-pie', '-Wl,-z,relro,-z,now,-z,noexecstack'],
  darwin: ['-D_DARWIN_C_SOURCE', '-fPIE'],
};

/** For programs that are not looked into. */
export const RELEASE = ['-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong', '-s'];

export interface CompileProgramOptions {
  /** The package that needs it, and the program's name: for messages. */
  owner: string;
  program: string;
  output: string;
  /** Absolute paths. */
  sources: readonly string[];
  headers: readonly string[];
  flags: readonly string[];
  libraries?: readonly string[];
}

/** Compiles a C program for this machine, without a warning. `CC` names another compiler than `cc`. */
export function compileProgram(options: CompileProgramOptions): void {
  const { owner, program, output, sources, headers, flags, libraries = [] } = options;
  const compiler = process.env['CC'] || 'cc';
  mkdirSync(dirname(output), { recursive: true });
  const system = SYSTEM[process.platform] ?? [];
  const places = headers.map((folder) => `-I${folder}`);
  const { status, error, stderr } = spawnSync(
    compiler,
    [...STRICT, ...system, ...flags, ...places, '-o', output, ...sources, ...libraries],
    { encoding: 'utf8' },
  );
  if (error !== undefined) {
    throw new Error(
      `${owner} needs a C compiler to build ${program}, and ${compiler} cannot be run (${error.message}). ` +
        'Install one (Debian: apt-get install build-essential; macOS: xcode-select --install), or name it with CC.',
    );
  }
  if (status !== 0) throw new Error(`${owner}: ${compiler} failed:\n${stderr}`);
}
