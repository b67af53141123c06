import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const STRICT = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Werror'];
const SANITIZED = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** Compiles the double of `sandbox-exec`, and gives its path. */
export async function buildSandboxExec(output: string, flags: 'plain' | 'sanitized'): Promise<string> {
  const names = await readdir(import.meta.dirname);
  const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(import.meta.dirname, name));
  const compiler = process.env['CC'] || 'cc';
  const extra = flags === 'sanitized' ? SANITIZED : ['-O2'];
  await promisify(execFile)(compiler, [...STRICT, ...extra, '-o', output, ...sources.toSorted()]);
  return output;
}
