import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SOURCES as HOST } from '../../host/build/compile.ts';
import { compileProgram } from '../../host/build/compile-program.ts';

const NATIVE = fileURLToPath(new URL('../native', import.meta.url));
/** What host programs share. */
const SHARED = ['failure.c', 'json.c', 'text.c', 'utf8.c'];

/** Compiles `krun-host`. libkrun is not needed for that: it is loaded when the program runs. */
export function compileKrunHost(output: string, flags: readonly string[]): void {
  const own = readdirSync(NATIVE).filter((name) => name.endsWith('.c'));
  compileProgram({
    ...{ owner: '@zlayer/krun', program: 'krun-host', output, flags },
    sources: [...own.sort().map((name) => join(NATIVE, name)), ...SHARED.map((name) => join(HOST, name))],
    headers: [NATIVE, HOST],
    libraries: process.platform === 'linux' ? ['-ldl', '-lpthread'] : [],
  });
}
