import { open } from 'node:fs/promises';
import { errorCode, fileError } from './file-error.ts';

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/**
 * Reads a file that holds one JSON value. `undefined` if there is no such file.
 *
 * @param options.maxBytes A longer file is an error. Default: 16 MiB.
 * @throws ZlayerError `INTERNAL` if the file cannot be read or is not JSON.
 */
export async function readJsonFile(path: string, options: { maxBytes?: number } = {}): Promise<unknown> {
  const { maxBytes = DEFAULT_MAX_BYTES } = options;
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > maxBytes) throw new RangeError(`longer than ${maxBytes} bytes`);
    return JSON.parse(await file.readFile('utf8'));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw fileError('cannot read', path, cause);
  }
}
