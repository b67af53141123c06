import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from '../file-error.ts';
import { withFileLock } from '../lock/file-lock.ts';
import { socketPath } from '../run-directory.ts';
import { type OpenStream, StreamListener } from './stream-listener.ts';

export interface PublishedSocket extends AsyncDisposable {
  readonly path: string;
  /** Ends the listener and its connections, and removes the socket. */
  close(): Promise<void>;
}

/**
 * Makes a Unix socket on the host, of mode 0600, whose connections lead to streams that `open` opens, such as ones to a
 * Unix socket in a guest. A socket that a dead process has left at the path is replaced.
 *
 * @throws ZlayerError `CONFLICT` if a living process listens there, or something else than a socket lies there.
 */
export async function publishUnixSocket(path: string, open: OpenStream): Promise<PublishedSocket> {
  socketPath(dirname(path), path.slice(dirname(path).length + 1));
  const lock = `${path}.lock`;
  return await withFileLock(lock, async () => {
    try {
      return await publish(path, open);
    } finally {
      // It need not lie about: who has waited for it finds it gone, and makes a new one.
      await unlink(lock).catch(() => {});
    }
  });
}

async function publish(path: string, open: OpenStream): Promise<PublishedSocket> {
  const listener = await listen(path, open);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= listener.close();
    return closing;
  };
  try {
    await chmod(path, 0o600);
  } catch (error) {
    await close();
    throw error;
  }
  return { path, close, [Symbol.asyncDispose]: close };
}

async function listen(path: string, open: OpenStream): Promise<StreamListener> {
  try {
    return await StreamListener.listen({ path }, open);
  } catch (cause) {
    if (errorCode(cause) !== 'EADDRINUSE') throw socketError('NETWORK', path, String(cause), cause);
    if (!(await isAbandoned(path))) throw socketError('CONFLICT', path, 'something else is there', cause);
    await unlink(path);
    return await StreamListener.listen({ path }, open);
  }
}

/** Whether there is a socket that nobody listens on. */
async function isAbandoned(path: string): Promise<boolean> {
  if (!(await lstat(path)).isSocket()) return false;
  const socket = connect({ path });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(false));
      socket.once('error', (error) => resolve(errorCode(error) === 'ECONNREFUSED'));
    });
  } finally {
    socket.destroy();
  }
}

function socketError(code: 'CONFLICT' | 'NETWORK', path: string, why: string, cause: unknown): ZlayerError {
  return new ZlayerError(code, `cannot publish the socket ${path}: ${why}`, {
    subject: path,
    remedy: 'Choose another path, or remove what lies there.',
    cause,
  });
}
