import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from '../build/compile.ts';

const sources = fileURLToPath(new URL('../native', import.meta.url));
const cache = fileURLToPath(new URL('../node_modules/.cache/zlayer-host-test', import.meta.url));

const SANITIZED = ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];

/** The host program with AddressSanitizer and UndefinedBehaviorSanitizer. */
export function sanitizedHost(): string {
  return build('sanitized', SANITIZED);
}

/** The same as on systems without inotify, parent-death signals and subreapers. */
export function portableHost(): string {
  return build('portable', [...SANITIZED, '-DZLAYER_HOST_PORTABLE']);
}

/** A program that reads JSON with the host's reader; see its source. */
export function jsonReader(): string {
  return build('json-reader', SANITIZED, fileURLToPath(new URL('./json-reader.c', import.meta.url)));
}

function build(name: string, flags: readonly string[], main?: string): string {
  const hash = createHash('sha256').update(flags.join());
  const files = readdirSync(sources).map((file) => join(sources, file));
  for (const file of main === undefined ? files : [...files, main]) hash.update(readFileSync(file));
  const output = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(output)) return output;
  const temporary = `${output}.${process.pid}`;
  compile({ output: temporary, flags, ...(main === undefined ? {} : { main }) });
  renameSync(temporary, output);
  return output;
}
