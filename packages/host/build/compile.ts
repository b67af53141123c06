import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileProgram } from './compile-program.ts';

/** The sources of `zlayer-host`. */
export const SOURCES = fileURLToPath(new URL('../native', import.meta.url));

export interface CompileOptions {
  output: string;
  flags: readonly string[];
  /** Absolute path of the C file with `main`. Default: the host program's own. */
  main?: string;
}

/** Compiles the host program's sources into one executable. */
export function compile({ output, flags, main = join(SOURCES, 'main.c') }: CompileOptions): void {
  const others = readdirSync(SOURCES).filter((name) => name.endsWith('.c') && name !== 'main.c');
  const sources = [main, ...others.sort().map((name) => join(SOURCES, name))];
  compileProgram({ owner: '@zlayer/host', program: 'zlayer-host', output, flags, sources, headers: [SOURCES] });
}
