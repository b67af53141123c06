import { z } from 'zod';

/** The longest path that Linux takes. */
const MAX_PATH = 4095;

/** An absolute path, on the host or in the container. */
export const absolutePath = (what: string) =>
  z
    .string()
    .max(MAX_PATH, `${what} has at most ${MAX_PATH} characters`)
    .refine((path) => !path.includes('\0'), `${what} may not contain NUL`)
    .refine((path) => path.startsWith('/'), `${what} is an absolute path`);

/** Where something is mounted in the container: absolute, not the root itself; comes out without `//`, `/./` and `/` at the end. */
export const mountTarget = absolutePath('the target of a mount')
  .refine((path) => !path.split('/').includes('..'), 'the target of a mount may not contain ".."')
  .transform(normalizePath)
  .refine((path) => path !== '/', 'the root itself cannot be a target: use "rootfs" and "readOnlyRoot"');

function normalizePath(path: string): string {
  return `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}
