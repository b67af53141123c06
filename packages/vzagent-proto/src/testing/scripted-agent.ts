import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame } from '../frame.ts';
import { FrameDecoder } from '../frame-decoder.ts';
import type { Message, MessageOf, MessageType } from '../message.ts';

/** One connection as the agent sees it. */
export class Peer {
  readonly socket: Socket;
  readonly #messages: AsyncGenerator<Message, void>;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    this.#messages = messagesOf(socket);
  }

  /** The next message of the host; undefined when it has closed. */
  async next(): Promise<Message | undefined> {
    const { value } = await this.#messages.next();
    return value ?? undefined;
  }

  /** The next message, which has to be of that type. */
  async expect<T extends MessageType>(type: T): Promise<MessageOf<T>> {
    const message = await this.next();
    if (message?.type === type) return message as MessageOf<T>;
    throw new Error(`the host sent ${message?.type ?? 'the end'} instead of ${type}`);
  }

  /** Sends messages, or bytes as they are, and waits while the socket is full. */
  async send(...parts: readonly (Message | Uint8Array)[]): Promise<void> {
    for (const part of parts) {
      const bytes = part instanceof Uint8Array ? part : encodeFrame(part);
      if (this.socket.write(bytes)) continue;
      const done = new AbortController();
      const waits = ['drain', 'close'].map((event) =>
        once(this.socket, event, { signal: done.signal }).catch(() => {}),
      );
      await Promise.race(waits);
      done.abort();
    }
  }

  /** Until the host has closed the connection. */
  async closed(): Promise<void> {
    while ((await this.next()) !== undefined);
  }
}

/** What a socket says when the host has closed it in the middle. */
const LOST = ['ECANCELED', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'];

async function* messagesOf(socket: Socket): AsyncGenerator<Message, void> {
  const decoder = new FrameDecoder({ direction: 'toGuest' });
  try {
    for await (const chunk of socket) yield* decoder.push(chunk);
  } catch (error) {
    if (!LOST.includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw error;
    }
  }
}

/** What the agent does with a connection whose first message is not `Hello`, or any when there is no `hello`. */
export type Script = (peer: Peer, connection: number) => Promise<void>;

export const HELLO: Message = { type: 'Hello', version: 1, features: ['detach', 'watch'], software: 'scripted 1' };

/** An agent that follows a script, on a real Unix socket. */
export class ScriptedAgent implements AsyncDisposable {
  /** How many connections there were, those for `Hello` not counted. */
  connections = 0;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #faults: unknown[] = [];

  private constructor(folder: string, script: Script, hello: boolean) {
    this.#folder = folder;
    let isGreeted = !hello;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      const peer = new Peer(socket);
      const work = isGreeted ? script(peer, this.connections++) : greet(peer);
      isGreeted = true;
      work
        .catch((error) => this.#faults.push(error))
        .then(() => {
          socket.end();
          return peer.closed();
        })
        .catch((error) => this.#faults.push(error));
    });
  }

  /** Answers the first connection, which brings `Hello`, by itself, unless `hello` is false. */
  static async start(script: Script, { hello = true }: { hello?: boolean } = {}): Promise<ScriptedAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'vzagent-proto-'));
    const agent = new ScriptedAgent(folder, script, hello);
    agent.#server.listen(agent.#path);
    await once(agent.#server, 'listening');
    return agent;
  }

  readonly connect = async (): Promise<Socket> => {
    const socket = createConnection({ path: this.#path, allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  };

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Until the host has closed all its connections. Fails if it does not. */
  async idle(): Promise<void> {
    const end = Date.now() + 2000;
    while (this.#sockets.size > 0) {
      if (Date.now() > end) throw new Error(`${this.#sockets.size} connections were left open`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  get #path(): string {
    return join(this.#folder, 's');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await rm(this.#folder, { recursive: true });
    if (this.#faults.length > 0) throw this.#faults[0];
  }
}

async function greet(peer: Peer): Promise<void> {
  await peer.expect('Hello');
  await peer.send(HELLO);
  await peer.closed();
}
