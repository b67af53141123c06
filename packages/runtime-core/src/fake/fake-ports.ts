import { type Duplex, duplexPair } from 'node:stream';
import { StartFailedError } from '../errors.ts';
import type { PublishedPort } from '../network.ts';
import { formatPortMapping, type PortMapping } from '../port-mapping.ts';
import type { FakeHost, FakeListener } from './fake-host.ts';
import type { FakeProcess } from './fake-process.ts';

/** Connects to a port of a process; the connection ends with it. */
export function connectTo(process: FakeProcess, port: number): Duplex | undefined {
  const serve = process.ports.get(port);
  if (!serve) return undefined;
  const [ours, theirs] = duplexPair();
  void process.exit.then(() => {
    ours.destroy();
    theirs.destroy();
  });
  serve(theirs);
  return ours;
}

/** Ports of one run of a container on the host. */
export class FakePorts {
  readonly #listeners: { mapping: PortMapping; listener: FakeListener }[] = [];

  /**
   * Listens on all of them, or on none.
   *
   * @throws ZlayerError `START_FAILED` that names the port that is taken.
   */
  static async open(
    mappings: readonly PortMapping[],
    { host, processes, onUse }: { host: FakeHost; processes: () => readonly FakeProcess[]; onUse: () => void },
  ): Promise<FakePorts> {
    const ports = new FakePorts();
    for (const mapping of mappings) {
      const { hostAddress: address, hostPort, containerPort, protocol } = mapping;
      try {
        const listener = await host.listen?.(
          { address, port: hostPort, protocol },
          {
            onConnection: (socket) => {
              onUse();
              const process = processes().find((each) => each.ports.has(containerPort));
              const inside = process && connectTo(process, containerPort);
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
            },
            onDatagram: (data, reply) => {
              onUse();
              processes()
                .find((each) => each.datagramPorts.has(containerPort))
                ?.datagramPorts.get(containerPort)?.(data, reply);
            },
          },
        );
        if (listener) ports.#listeners.push({ mapping, listener });
      } catch (cause) {
        await ports.close();
        const subject = formatPortMapping(mapping);
        throw new StartFailedError(`the port ${subject} cannot be published: ${(cause as Error).message}`, {
          subject,
          remedy: 'Choose another port of the host, or 0 for any free one.',
          cause,
        });
      }
    }
    return ports;
  }

  get published(): PublishedPort[] {
    return this.#listeners.map(({ mapping, listener }) => ({ ...mapping, hostPort: listener.port }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map(({ listener }) => listener.close()));
  }
}
