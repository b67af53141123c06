import { fileURLToPath } from 'node:url';

/** A path inside this package as it is installed. One folder up is the package, seen from its sources as from its build. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
