import { type Duplex, duplexPair } from 'node:stream';
import { StartFailedError } from '../errors.ts';
import type { PublishedPort } from '../network.ts';
import { formatPortMapping, type PortMapping } from '../port-mapping.ts';
import type { SocketMapping } from '../service-spec/sockets.ts';
import type { FakeHost, FakeListener } from './fake-host.ts';
import type { FakeProcess } from './fake-process.ts';

/** Connects to a port of a process; the connection ends with it. */
export function connectTo(process: FakeProcess, port: number): Duplex | undefined {
  return connected(process, process.ports.get(port));
}

function connected(process: FakeProcess, serve: ((socket: Duplex) => void) | undefined): Duplex | undefined {
  if (!serve) return undefined;
  const [ours, theirs] = duplexPair();
  void process.exit.then(() => {
    ours.destroy();
    theirs.destroy();
  });
  serve(theirs);
  return ours;
}

/** What the ports of a run lead to. */
export interface FakePortsOptions {
  host: FakeHost;
  processes: () => readonly FakeProcess[];
  onUse: () => void;
}

/** Ports and sockets of one run of a container on the host. */
export class FakePorts {
  readonly #options: FakePortsOptions;
  readonly #ports: PublishedPort[] = [];
  readonly #listeners: Pick<FakeListener, 'close'>[] = [];

  private constructor(options: FakePortsOptions) {
    this.#options = options;
  }

  /**
   * Listens on all of them, or on none.
   *
   * @throws ZlayerError `START_FAILED` that names the port or the socket that is taken.
   */
  static async open(
    { ports, sockets }: { ports: readonly PortMapping[]; sockets: readonly SocketMapping[] },
    options: FakePortsOptions,
  ): Promise<FakePorts> {
    const opened = new FakePorts(options);
    try {
      for (const mapping of ports) await opened.#listen(mapping);
      for (const mapping of sockets) await opened.#listenAt(mapping);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  get published(): PublishedPort[] {
    return this.#ports;
  }

  async close(): Promise<void> {
    this.#ports.length = 0;
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
  }

  async #listen(mapping: PortMapping): Promise<void> {
    const { host, processes, onUse } = this.#options;
    const { hostAddress: address, hostPort, containerPort, protocol } = mapping;
    try {
      const listener = await host.listen?.(
        { address, port: hostPort, protocol },
        {
          onConnection: (socket) => this.#connect(socket, ({ ports }) => ports.get(containerPort)),
          onDatagram: (data, reply) => {
            onUse();
            processes()
              .find((each) => each.datagramPorts.has(containerPort))
              ?.datagramPorts.get(containerPort)?.(data, reply);
          },
        },
      );
      if (!listener) return;
      this.#listeners.push(listener);
      this.#ports.push({ ...mapping, hostPort: listener.port });
    } catch (cause) {
      const subject = formatPortMapping(mapping);
      throw new StartFailedError(`the port ${subject} cannot be published: ${(cause as Error).message}`, {
        subject,
        remedy: 'Choose another port of the host, or 0 for any free one.',
        cause,
      });
    }
  }

  async #listenAt({ hostPath, containerPath }: SocketMapping): Promise<void> {
    const onConnection = (socket: Duplex): void => this.#connect(socket, ({ sockets }) => sockets.get(containerPath));
    try {
      const listener = await this.#options.host.listenAt?.(hostPath, { onConnection });
      if (listener) this.#listeners.push(listener);
    } catch (cause) {
      throw new StartFailedError(`the socket ${hostPath} cannot be published: ${(cause as Error).message}`, {
        subject: hostPath,
        remedy: 'Choose another path, or remove what lies there.',
        cause,
      });
    }
  }

  /** Joins a connection from the host with whoever listens in the container. */
  #connect(socket: Duplex, serveOf: (process: FakeProcess) => ((socket: Duplex) => void) | undefined): void {
    this.#options.onUse();
    const process = this.#options.processes().find((each) => serveOf(each) !== undefined);
    const inside = process && connected(process, serveOf(process));
    if (!inside) {
      socket.destroy();
      return;
    }
    for (const [from, to] of [
      [socket, inside],
      [inside, socket],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  }
}
