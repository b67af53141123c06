import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { relay, reset } from './relay.ts';

const BACKLOG = 4096;

/** Opens a stream to what is published. */
export type OpenStream = (signal: AbortSignal) => Promise<Duplex>;

/** Takes connections of a host port, or of a Unix socket, and relays each to a stream of its own. */
export class StreamListener {
  readonly #server: Server;
  readonly #open: OpenStream;
  readonly #clients = new Set<Socket>();
  readonly #targets = new Set<Duplex>();

  private constructor(open: OpenStream) {
    this.#open = open;
    // The client may go on reading when it has said all, and the other way round.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) =>
      this.#take(client),
    );
  }

  /** Listens; rejects with the system's error. */
  static async listen(options: ListenOptions, open: OpenStream): Promise<StreamListener> {
    const listener = new StreamListener(open);
    const server = listener.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ backlog: BACKLOG, ...options }, () => {
        server.off('error', reject);
        // Out of descriptors: the connection is lost, the listener is not.
        server.on('error', () => undefined);
        resolve();
      });
    });
    return listener;
  }

  /** The port; `undefined` for a Unix socket. */
  get port(): number | undefined {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  get connections(): number {
    return this.#clients.size;
  }

  /** Ends the listener and all its connections. Called once. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients) reset(client);
    for (const target of this.#targets) target.destroy();
    await closed;
  }

  #take(client: Socket): void {
    const abort = new AbortController();
    const giveUp = (): void => abort.abort(new Error('the client is gone'));
    this.#clients.add(client);
    client.on('error', () => undefined);
    client.once('close', () => this.#clients.delete(client)).once('close', giveUp);
    this.#open(abort.signal).then(
      (target) => {
        if (client.destroyed) {
          target.on('error', () => undefined).destroy();
          return;
        }
        // From here on an end of the client is only that: what it said last is still under way.
        client.off('close', giveUp);
        this.#targets.add(target);
        target.once('close', () => this.#targets.delete(target));
        relay(client, target);
      },
      // Nobody listens in the container: the client learns it as from a closed port.
      () => reset(client),
    );
  }
}
