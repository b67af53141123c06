import type { Duplex } from 'node:stream';
import type { FakeVolume } from './fake-volume.ts';

/** A port that a {@link FakeHost} listens on. */
export interface FakeListener {
  /** The real one, also where 0 was asked for. */
  port: number;
  close(): Promise<void>;
}

/** What a published port does with what comes from the host. */
export interface FakePortHandlers {
  /** A TCP connection. It is destroyed when nobody listens in the container. */
  onConnection(socket: Duplex): void;
  /** A UDP datagram; `reply` sends one back. */
  onDatagram(data: Uint8Array, reply: (data: Uint8Array) => void): void;
}

/**
 * What a fake runtime may use of the machine that it runs on. The fake does nothing outside of its memory by itself: who
 * wants published ports or bind mounts that are real gives it one, made of `node:net`, `node:dgram` and `node:fs`.
 */
export interface FakeHost {
  /** Listens on a port; rejects when it is taken. Without it no ports are published. */
  listen?:
    | ((
        place: { address: string; port: number; protocol: 'tcp' | 'udp' },
        handlers: FakePortHandlers,
      ) => Promise<FakeListener>)
    | undefined;
  /** Listens on a Unix socket; rejects when its path is taken. Without it no sockets are published. */
  listenAt?:
    | ((path: string, handlers: Pick<FakePortHandlers, 'onConnection'>) => Promise<Pick<FakeListener, 'close'>>)
    | undefined;
  /** The files below a path of the host; throws when there are none. Without it there are no bind mounts. */
  mount?: ((source: string) => FakeVolume) | undefined;
}
