import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** It runs in guests. */
const GUESTS = 'firmware-init.c';
const FOLDER = join(import.meta.dirname, 'double');

/** Compiles the double of libkrun; `macros` make another of it, an older one or one that crashes. */
export async function compileLibkrun(output: string, macros: readonly string[] = []): Promise<string> {
  const sources = (await readdir(FOLDER))
    .filter((name) => name.endsWith('.c') && name !== GUESTS)
    .map((name) => join(FOLDER, name));
  await promisify(execFile)('cc', [
    ...['-std=c11', '-O1', '-Wall', '-Wextra', '-Wshadow', '-Werror', '-D_GNU_SOURCE'],
    ...['-fPIC', '-shared', '-fvisibility=hidden', `-I${FOLDER}`, `-I${join(import.meta.dirname, '../native')}`],
    ...macros.map((macro) => `-D${macro}`),
    ...sources,
    ...['-o', output, '-lpthread'],
  ]);
  return output;
}
