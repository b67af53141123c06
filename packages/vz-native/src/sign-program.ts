import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { entitlementsPath } from './vz-host-path.ts';

const SIGN_TIMEOUT_MS = 60_000;

export interface SignOptions extends Cancellable {
  /** Default: `/usr/bin/codesign`, which is a part of macOS. */
  codesign?: string | undefined;
  /** A property list. Default: that of `vz-host`. */
  entitlements?: string | undefined;
}

/**
 * Signs a program ad hoc with its entitlements. A copy is signed and takes the program's place when it is whole: processes
 * that run the program are not disturbed, and whoever signs at the same time leaves a signed one as well.
 *
 * @throws ZlayerError `UNAVAILABLE` with what codesign said; the program is as it was then.
 */
export async function signProgram(program: string, options: SignOptions = {}): Promise<void> {
  const { codesign = '/usr/bin/codesign', entitlements = entitlementsPath(), signal } = options;
  signal?.throwIfAborted();
  const copy = `${program}.${randomUUID()}`;
  try {
    await copyFile(program, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await promisify(execFile)(codesign, ['--force', '--sign', '-', '--entitlements', entitlements, copy], {
      timeout: SIGN_TIMEOUT_MS,
      signal,
    });
    await rename(copy, program);
  } catch (cause) {
    signal?.throwIfAborted();
    throw signError(program, codesign, cause);
  } finally {
    await rm(copy, { force: true });
  }
}

function signError(program: string, codesign: string, cause: unknown): ZlayerError {
  const { code, message, stderr = '' } = cause as NodeJS.ErrnoException & { stderr?: string };
  const why = stderr.trim() || message;
  return new ZlayerError('UNAVAILABLE', `${program} cannot be signed: ${why}`, {
    subject: program,
    remedy: remedyFor(code, codesign),
    cause,
  });
}

function remedyFor(code: string | undefined, codesign: string): string {
  if (code === 'ENOENT') return `${codesign} is a part of macOS; sign on a Mac.`;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return 'The folder cannot be written: install the package as a user who owns it, or with its prebuilt program.';
  }
  return 'If a policy of this Mac forbids ad-hoc signatures, ask its administrator, or install a signed program.';
}
