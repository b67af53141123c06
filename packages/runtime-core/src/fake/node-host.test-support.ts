import { createSocket } from 'node:dgram';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { FakeHost, FakeListener, FakePortHandlers } from './fake-host.ts';
import { FakeFileError, type FakeFileStatus, type FakeVolume } from './fake-volume.ts';

/** The real sockets and files of this machine. */
export const nodeHost: FakeHost = {
  listen: (place, handlers) => (place.protocol === 'tcp' ? listenTcp(place, handlers) : bindUdp(place, handlers)),
  listenAt: (path, handlers) => listenUnix(path, handlers),
  mount: (source) => {
    lstatSync(source);
    return new HostDirectory(source);
  },
};

interface Place {
  address: string;
  port: number;
}

async function listenTcp({ address, port }: Place, { onConnection }: FakePortHandlers): Promise<FakeListener> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound ? bound.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function listenUnix(
  path: string,
  { onConnection }: Pick<FakePortHandlers, 'onConnection'>,
): Promise<Pick<FakeListener, 'close'>> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function bindUdp({ address, port }: Place, { onDatagram }: FakePortHandlers): Promise<FakeListener> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (data, from) => onDatagram(data, (reply) => socket.send(reply, from.port, from.address)));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, resolve);
  });
  return { port: socket.address().port, close: () => new Promise((resolve) => socket.close(resolve)) };
}

class HostDirectory implements FakeVolume {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  stat(path: string): FakeFileStatus | undefined {
    const stat = lstatSync(join(this.#root, path), { throwIfNoEntry: false });
    if (!stat) return undefined;
    const type = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'file';
    const linkTarget = type === 'link' ? readlinkSync(join(this.#root, path)) : undefined;
    return {
      type,
      mode: stat.mode & 0o7777,
      size: type === 'file' ? stat.size : 0,
      modifiedAt: stat.mtime,
      linkTarget,
    };
  }

  list(path: string): string[] {
    return readdirSync(join(this.#root, path)).sort();
  }

  read(path: string): Uint8Array {
    if (this.stat(path)?.type !== 'file') throw new FakeFileError('ENOENT', path);
    return readFileSync(join(this.#root, path));
  }

  write(path: string, data: Uint8Array, mode: number): void {
    writeFileSync(join(this.#root, path), data, { mode });
  }

  makeDirectory(path: string, mode: number): void {
    mkdirSync(join(this.#root, path), { mode, recursive: true });
  }

  link(path: string, target: string): void {
    symlinkSync(target, join(this.#root, path));
  }

  remove(path: string): void {
    rmSync(join(this.#root, path), { recursive: true, force: true });
  }
}
