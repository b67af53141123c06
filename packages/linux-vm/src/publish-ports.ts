import type { Duplex } from 'node:stream';
import { PortPublisher, publishUnixSocket } from '@zlayer/host';
import type { PortMapping, PublishedPort, SocketMapping } from '@zlayer/runtime-core';
import type { Guest } from './guest.ts';

export interface PublishPortsOptions {
  ports: readonly PortMapping[];
  sockets: readonly SocketMapping[];
  /** The guest that connections lead to; throws while there is none. */
  guest(): Guest;
  /** Somebody uses the container until the result is called. */
  use(): () => void;
  signal?: AbortSignal | undefined;
}

/** What of a container is reachable on the host, until it is closed. */
export interface PublishedPorts {
  /** With the ports that were chosen. */
  readonly ports: readonly PublishedPort[];
  close(): Promise<void>;
}

/** Binds ports and Unix sockets of the host that lead into a guest, all or none; each connection is a use of it. */
export async function publishPorts(options: PublishPortsOptions): Promise<PublishedPorts> {
  const { sockets, signal } = options;
  const publisher = await publishNetwork(options);
  const closers = [() => publisher.close()];
  const close = async (): Promise<void> => {
    await Promise.all(closers.splice(0).map((each) => each()));
  };
  try {
    for (const { hostPath, containerPath } of sockets) {
      signal?.throwIfAborted();
      const open = (over: AbortSignal): Promise<Duplex> =>
        opened(options, (guest) => guest.connectSocket(containerPath, { signal: over, early: true }));
      const socket = await publishUnixSocket(hostPath, open);
      closers.push(() => socket.close());
    }
    return { ports: publisher.ports, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The same, but what cannot be bound is left out, and told. */
export async function publishWhatIsFree(
  options: PublishPortsOptions,
  onLost: (error: Error) => void,
): Promise<PublishedPorts> {
  const parts = [
    ...options.ports.map((port) => ({ ports: [port], sockets: [] })),
    ...options.sockets.map((socket) => ({ ports: [], sockets: [socket] })),
  ];
  const published: PublishedPorts[] = [];
  for (const part of parts) {
    try {
      published.push(await publishPorts({ ...options, ...part }));
    } catch (error) {
      onLost(error as Error);
    }
  }
  return {
    ports: published.flatMap(({ ports }) => ports),
    close: async () => {
      await Promise.all(published.map((each) => each.close()));
    },
  };
}

function publishNetwork(options: PublishPortsOptions): Promise<PortPublisher> {
  const { ports, guest, use, signal } = options;
  return PortPublisher.publish(
    ports,
    {
      stream: (port, over) => opened(options, (reached) => reached.connect(port, { ...over, early: true })),
      datagrams: async (port, over) => {
        const channel = await guest().datagrams(port, over);
        const done = use();
        return {
          ...channel,
          close: () => {
            done();
            channel.close();
          },
        };
      },
    },
    { signal },
  );
}

async function opened(
  { guest, use }: Pick<PublishPortsOptions, 'guest' | 'use'>,
  open: (guest: Guest) => Promise<Duplex>,
): Promise<Duplex> {
  const stream = await open(guest());
  return stream.once('close', use());
}
