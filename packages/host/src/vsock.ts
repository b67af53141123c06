import { createConnection, createServer, type Socket } from 'node:net';
import { ZlayerError } from '@zlayer/runtime-core';

/** The longest answer to a call, `OK <u32>\n`, is shorter than this. */
const MAX_ANSWER = 32;

/**
 * Calls a port of a guest through the Unix socket that stands for the guest's vsock: the caller writes
 * `CONNECT <port>\n`, the answer `OK <n>\n` comes when the guest accepted, and the connection is a byte stream from then
 * on (the convention of Firecracker, cloud-hypervisor and vhost-device-vsock).
 *
 * @throws ZlayerError `NETWORK` when nothing in the guest listens on that port (yet).
 */
export function connectVsock(
  socketPath: string,
  port: number,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Socket> {
  const { signal } = options;
  signal?.throwIfAborted();
  const socket = createConnection(socketPath);
  return new Promise<Socket>((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const settle = (finish: () => void): void => {
      socket.off('readable', onReadable).off('error', onError).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    const fail = (why: string, cause?: unknown): void =>
      settle(() => {
        socket.destroy();
        // A socket that fails while it is given up has nobody left to tell.
        socket.on('error', () => {});
        reject(
          new ZlayerError('NETWORK', `cannot reach port ${port} of the guest: ${why}`, { subject: socketPath, cause }),
        );
      });
    const onError = (error: Error): void => fail(error.message, error);
    const onClose = (): void => fail('nothing listens there');
    const onAbort = (): void =>
      settle(() => {
        socket.destroy();
        reject(signal?.reason);
      });
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf(0x0a);
      if (end < 0 && answer.length < MAX_ANSWER) return;
      const line = answer.subarray(0, Math.max(end, 0)).toString('latin1');
      if (!/^OK \d+$/.test(line)) {
        fail(`unexpected answer ${JSON.stringify(line)}`);
        return;
      }
      settle(() => {
        if (end + 1 < answer.length) socket.unshift(answer.subarray(end + 1));
        resolve(socket);
      });
    };
    socket.on('readable', onReadable).on('error', onError).on('close', onClose);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.write(`CONNECT ${port}\n`);
  });
}

/** What takes the calls that a guest makes to a port of its host, until it is closed. */
export interface VsockListener extends AsyncDisposable {
  close(): Promise<void>;
}

/**
 * Takes the guest's calls to a port of its host: they arrive at the Unix socket `<socketPath>_<port>`. Waiting for calls
 * alone does not keep the Node program alive.
 */
export async function listenVsock(
  socketPath: string,
  port: number,
  onConnection: (connection: Socket) => void,
): Promise<VsockListener> {
  const server = createServer((connection) => {
    // The connection may end before anyone listens for its errors; that is no reason to end the program.
    connection.on('error', () => {});
    onConnection(connection);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(`${socketPath}_${port}`, () => resolve());
  });
  // A machine may run on without this program.
  server.unref();
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return { close, [Symbol.asyncDispose]: close };
}
