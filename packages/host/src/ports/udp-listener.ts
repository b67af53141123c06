import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { DatagramChannel } from './datagram-channel.ts';

/** What a peer has sent while its channel was being opened. */
const MAX_WAITING = 64;

export interface UdpListenerOptions {
  address: string;
  port: number;
  ipv6Only: boolean;
  /** A peer that has not been heard of, nor been answered, for this long is forgotten. */
  idleMs: number;
  /** How many peers are remembered; a further one takes the place of the one that was silent longest. */
  maxSessions: number;
  open(signal: AbortSignal): Promise<DatagramChannel>;
}

interface Session {
  abort: AbortController;
  channel: DatagramChannel | undefined;
  waiting: Buffer[];
  lastUse: number;
}

/** Takes datagrams of a host port; each peer has a channel of its own, so that answers find the way back. */
export class UdpListener {
  readonly #socket: Socket;
  readonly #options: UdpListenerOptions;
  /** In the order of their last use, the longest silent first. */
  readonly #sessions = new Map<string, Session>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: UdpListenerOptions) {
    this.#options = options;
    const type = options.address.includes(':') ? 'udp6' : 'udp4';
    this.#socket = createSocket({ type, ipv6Only: options.ipv6Only });
  }

  /** Binds; rejects with the system's error. */
  static async listen(options: UdpListenerOptions): Promise<UdpListener> {
    const listener = new UdpListener(options);
    const socket = listener.#socket;
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind({ address: options.address, port: options.port, exclusive: true }, () => {
          socket.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      socket.close();
      throw error;
    }
    // A peer that is unreachable is no fault of the listener.
    socket.on('error', () => undefined);
    socket.on('message', (data, peer) => listener.#take(data, peer));
    return listener;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    for (const key of [...this.#sessions.keys()]) this.#end(key);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #take(data: Buffer, peer: RemoteInfo): void {
    const key = `${peer.address} ${peer.port}`;
    const session = this.#sessions.get(key) ?? this.#begin(key, peer);
    this.#touch(key, session);
    if (session.channel !== undefined) session.channel.send(data);
    else if (session.waiting.length < MAX_WAITING) session.waiting.push(data);
  }

  #begin(key: string, peer: RemoteInfo): Session {
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined && this.#sessions.size >= this.#options.maxSessions) this.#end(oldest);
    const session: Session = { abort: new AbortController(), channel: undefined, waiting: [], lastUse: 0 };
    const end = (): void => {
      if (this.#sessions.get(key) === session) this.#end(key);
    };
    this.#options.open(session.abort.signal).then((channel) => {
      if (session.abort.signal.aborted) {
        channel.close();
        return;
      }
      session.channel = channel;
      channel.onMessage((answer) => {
        if (session.abort.signal.aborted) return;
        this.#touch(key, session);
        this.#socket.send(answer, peer.port, peer.address, () => undefined);
      });
      channel.onClose(end);
      for (const data of session.waiting.splice(0)) channel.send(data);
    }, end);
    return session;
  }

  #touch(key: string, session: Session): void {
    session.lastUse = performance.now();
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    this.#timer ??= setTimeout(() => this.#expire(), this.#options.idleMs).unref();
  }

  /** Forgets who was silent for too long, and comes again when the next one may be. */
  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [key, { lastUse }] of this.#sessions) {
      const left = lastUse + this.#options.idleMs - now;
      if (left > 0) {
        this.#timer = setTimeout(() => this.#expire(), Math.ceil(left)).unref();
        return;
      }
      this.#end(key);
    }
  }

  #end(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    session.abort.abort(new Error('the datagram session has ended'));
    session.channel?.close();
  }
}
