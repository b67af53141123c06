import type { Duplex } from 'node:stream';
import { PortPublisher } from '@zlayer/host';
import type { PortMapping } from '@zlayer/runtime-core';
import type { Guest } from './guest.ts';

export interface PublishPortsOptions {
  /** The guest that connections lead to; throws while there is none. */
  guest(): Guest;
  /** Somebody uses the container until the result is called. */
  use(): () => void;
  signal?: AbortSignal | undefined;
}

/** Binds ports of the host that lead to ports of a guest; each connection is a use of it. */
export function publishPorts(
  mappings: readonly PortMapping[],
  { guest, use, signal }: PublishPortsOptions,
): Promise<PortPublisher> {
  return PortPublisher.publish(
    mappings,
    {
      stream: async (port, options): Promise<Duplex> => {
        const stream = await guest().connect(port, options);
        return stream.once('close', use());
      },
      datagrams: async (port, options) => {
        const channel = await guest().datagrams(port, options);
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
