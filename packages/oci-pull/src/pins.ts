import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from './digest.ts';
import { OciError, systemErrorCode } from './errors.ts';
import { JsonDocument } from './json-document.ts';
import { storeLock } from './leases.ts';
import { withLockFile } from './lock-file.ts';
import { listDirectory, newStagingPath, syncDirectory } from './staging.ts';

/** Digests that are kept until somebody takes the pin out, whichever processes live or die. */
export interface Pin {
  readonly name: string;
  readonly digests: readonly Digest[];
}

const maximumName = 1024;

/** Notes a pin on disk, in the place of one of the same name. It is done under the store's lock, as a lease is. */
export async function writePin(directory: string, pin: Pin, signal: AbortSignal | undefined): Promise<void> {
  const wrong = pin.digests.find((digest) => !isDigest(digest));
  if (pin.name === '' || pin.name.length > maximumName || wrong !== undefined) {
    throw new OciError('INVALID_REFERENCE', `A pin has a name of 1 to ${maximumName} characters, and digests.`, {
      subject: wrong ?? pin.name.slice(0, 100),
    });
  }
  const staged = await newStagingPath(join(directory, 'staging'));
  const write = async () => {
    const pins = pinDirectory(directory);
    const made = await mkdir(pins, { recursive: true });
    const file = await open(staged, 'wx', 0o644);
    try {
      await file.writeFile(`${JSON.stringify({ name: pin.name, digests: pin.digests })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(staged, pinPath(directory, pin.name));
    await syncDirectory(pins);
    if (made !== undefined) await syncDirectory(directory);
  };
  try {
    await withLockFile(storeLock(directory), write, signal);
  } finally {
    await rm(staged, { force: true });
  }
}

/** @returns Whether there was one. */
export async function removePin(directory: string, name: string, signal: AbortSignal | undefined): Promise<boolean> {
  return await withLockFile(
    storeLock(directory),
    async () => {
      try {
        await rm(pinPath(directory, name));
        await syncDirectory(pinDirectory(directory));
        return true;
      } catch (error) {
        if (systemErrorCode(error) === 'ENOENT') return false;
        throw error;
      }
    },
    signal,
  );
}

export async function readPins(directory: string): Promise<Pin[]> {
  const pins: Pin[] = [];
  for (const file of (await listDirectory(pinDirectory(directory))).sort()) {
    const path = join(pinDirectory(directory), file);
    try {
      const document = JsonDocument.parse(await readFile(path), path, 'STORE_FAILED');
      const digests = document.strings('digests').filter(isDigest);
      pins.push({ name: document.string('name'), digests });
    } catch (error) {
      // It was taken out a moment ago.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
  return pins;
}

/** Names may hold anything, and files may not. */
function pinPath(directory: string, name: string): string {
  return join(pinDirectory(directory), `${createHash('sha256').update(name).digest('hex')}.json`);
}

function pinDirectory(directory: string): string {
  return join(directory, 'pins');
}
