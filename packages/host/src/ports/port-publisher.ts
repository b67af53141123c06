import type { Duplex } from 'node:stream';
import type { PortMapping, PublishedPort } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from '../file-error.ts';
import type { DatagramChannel } from './datagram-channel.ts';
import { bindError } from './port-error.ts';
import { StreamListener } from './stream-listener.ts';
import { UdpListener } from './udp-listener.ts';

const DEFAULT_UDP_IDLE_MS = 60_000;
const DEFAULT_MAX_UDP_SESSIONS = 1024;
/** How often a port that was free for one protocol family may be taken for the other one. */
const ATTEMPTS = 20;

/** Reaches a port of a container. Both reject if nobody listens there, or with the signal's reason when the client is gone. */
export interface PortConnector {
  stream(port: number, options: { signal: AbortSignal }): Promise<Duplex>;
  datagrams(port: number, options: { signal: AbortSignal }): Promise<DatagramChannel>;
}

/** The address of a mapping for all addresses of the host, IPv4 and IPv6. */
export const ALL_ADDRESSES = '*';

export interface PublishOptions {
  signal?: AbortSignal | undefined;
  /** How long a UDP peer is remembered that sends nothing and gets nothing. Default: 60 000. */
  udpIdleMs?: number | undefined;
  /** How many UDP peers a port remembers. Default: 1024. */
  maxUdpSessions?: number | undefined;
}

interface Listener {
  readonly port: number | undefined;
  close(): Promise<void>;
}

/** Ports of the host that lead to ports of a container, until it is closed. */
export class PortPublisher implements AsyncDisposable {
  /** What is published, with the ports that were chosen, in the order of the mappings. */
  readonly ports: readonly PublishedPort[];
  readonly #listeners: readonly Listener[];
  #closing: Promise<void> | undefined;

  private constructor(ports: readonly PublishedPort[], listeners: readonly Listener[]) {
    this.ports = ports;
    this.#listeners = listeners;
  }

  /**
   * Binds every mapping, or none. Resolves when all of them can be connected to; each connection is handed to the
   * connector. A host address of `*` means all addresses, IPv4 and, where the host has it, IPv6.
   *
   * @throws ZlayerError `CONFLICT` for a port that is taken, naming it and, if possible, who has it; `NETWORK` for one that
   *   cannot be bound for another reason. Nothing is bound then.
   */
  static async publish(
    mappings: readonly PortMapping[],
    connector: PortConnector,
    options: PublishOptions = {},
  ): Promise<PortPublisher> {
    const listeners: Listener[] = [];
    const ports: PublishedPort[] = [];
    try {
      for (const mapping of mappings) {
        options.signal?.throwIfAborted();
        const bound = await bind(mapping, connector, options);
        listeners.push(...bound);
        const { protocol, containerPort, hostAddress, hostPort } = mapping;
        ports.push({ protocol, containerPort, hostAddress, hostPort: bound[0]?.port ?? hostPort });
      }
      options.signal?.throwIfAborted();
      return new PortPublisher(ports, listeners);
    } catch (error) {
      await closeAll(listeners);
      throw error;
    }
  }

  /** Ends every listener and every connection. */
  close(): Promise<void> {
    this.#closing ??= closeAll(this.#listeners);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function bind(mapping: PortMapping, connector: PortConnector, options: PublishOptions): Promise<Listener[]> {
  if (mapping.hostAddress !== ALL_ADDRESSES) return [await bindOne(mapping, connector, options, mapping.hostPort)];
  for (let attempt = 1; ; attempt += 1) {
    const four = await bindOne({ ...mapping, hostAddress: '0.0.0.0' }, connector, options, mapping.hostPort);
    try {
      const port = four.port ?? mapping.hostPort;
      return [four, await bindOne({ ...mapping, hostAddress: '::' }, connector, options, port)];
    } catch (error) {
      const cause = error instanceof ZlayerError ? errorCode(error.cause) : undefined;
      // A host without IPv6 has no addresses of it, so these are all.
      if (cause === 'EAFNOSUPPORT' || cause === 'EADDRNOTAVAIL') return [four];
      await four.close();
      if (cause !== 'EADDRINUSE' || mapping.hostPort !== 0 || attempt === ATTEMPTS) throw error;
    }
  }
}

async function bindOne(
  { protocol, hostAddress, containerPort }: PortMapping,
  connector: PortConnector,
  { udpIdleMs = DEFAULT_UDP_IDLE_MS, maxUdpSessions = DEFAULT_MAX_UDP_SESSIONS }: PublishOptions,
  port: number,
): Promise<Listener> {
  // `::` alone would take IPv4 as well, and only on some systems.
  const ipv6Only = hostAddress === '::';
  try {
    if (protocol === 'tcp') {
      const open = (signal: AbortSignal) => connector.stream(containerPort, { signal });
      return await StreamListener.listen({ host: hostAddress, port, ipv6Only, exclusive: true }, open);
    }
    const open = (signal: AbortSignal) => connector.datagrams(containerPort, { signal });
    const limits = { idleMs: udpIdleMs, maxSessions: maxUdpSessions };
    return await UdpListener.listen({ address: hostAddress, port, ipv6Only, ...limits, open });
  } catch (error) {
    throw await bindError(protocol, hostAddress, port, error);
  }
}

async function closeAll(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}
