import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { encodeFrame, FrameDecoder, type Message, type MessageOf } from '@zlayer/vzagent-proto';

const AGENT_PORT = 1024;
const ANSWER_TIMEOUT_MS = 60_000;

/** What became of a workload. */
export interface Outcome {
  started: boolean;
  pid: number;
  code: number | undefined;
  error: string | undefined;
  stdout: string;
  stderr: string;
  /** Types of all messages, in order. */
  order: string[];
}

/** A control connection to a guest's agent. */
export class AgentConnection implements AsyncDisposable {
  readonly socket: Socket;
  readonly #messages: AsyncGenerator<Message, void, undefined>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#messages = decode(socket);
  }

  /** Connects to an agent's own Unix socket. */
  static async direct(path: string): Promise<AgentConnection> {
    return new AgentConnection(await dial(path));
  }

  /** Connects to the agent in a guest, by way of its VMM's vsock. */
  static async open(path: string): Promise<AgentConnection> {
    const socket = await dial(path);
    socket.write(`CONNECT ${AGENT_PORT}\n`);
    let answer = '';
    while (!answer.endsWith('\n')) {
      await once(socket, 'readable');
      for (let byte: Buffer | null = socket.read(1); byte !== null; byte = socket.read(1)) {
        answer += byte.toString('latin1');
        if (answer.endsWith('\n')) break;
      }
      if (socket.readableEnded || socket.destroyed) throw new Error('the agent does not listen');
    }
    if (!answer.startsWith('OK ')) throw new Error(`unexpected answer: ${answer}`);
    return new AgentConnection(socket);
  }

  send(message: Message): void {
    this.socket.write(encodeFrame(message));
  }

  /** Sends a request and takes the message that answers it. */
  async ask<T extends Message['type']>(message: Message, answer: T): Promise<MessageOf<T>> {
    this.send(message);
    return await this.expect(answer);
  }

  /** The next message, which has to be of a type. */
  async expect<T extends Message['type']>(type: T): Promise<MessageOf<T>> {
    const message = await this.next();
    if (message?.type !== type) throw new Error(`expected ${type}, got ${describe(message)}`);
    return message as MessageOf<T>;
  }

  /** The next message, or nothing at the end of the connection. */
  async next(): Promise<Message | undefined> {
    const { value } = await this.#messages.next();
    return value ?? undefined;
  }

  /** Sends a Run; what is not given is the simplest. */
  run(argv: readonly string[], fields: Partial<Omit<MessageOf<'Run'>, 'type' | 'argv'>> = {}): void {
    this.send({ type: 'Run', argv, env: [], cwd: null, uid: 0, gid: 0, ...fields });
  }

  /** Collects what is reported about the workload, to its end or its error. */
  async outcome(): Promise<Outcome> {
    const outcome: Outcome = {
      started: false,
      pid: 0,
      code: undefined,
      error: undefined,
      stdout: '',
      stderr: '',
      order: [],
    };
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    while (outcome.code === undefined && outcome.error === undefined) {
      const message = await this.next();
      if (message === undefined) throw new Error('the connection ended within a run');
      outcome.order.push(message.type);
      if (message.type === 'Started') {
        outcome.started = true;
        outcome.pid = message.pid;
      } else if (message.type === 'Stdout') stdout.push(message.data);
      else if (message.type === 'Stderr') stderr.push(message.data);
      else if (message.type === 'Exited') outcome.code = message.code;
      else if (message.type === 'Error') outcome.error = message.message;
    }
    outcome.stdout = Buffer.concat(stdout).toString();
    outcome.stderr = Buffer.concat(stderr).toString();
    return outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.destroyed) return;
    const closed = once(this.socket, 'close');
    this.socket.on('error', () => {});
    this.socket.destroy();
    await closed;
  }
}

function describe(message: Message | undefined): string {
  return JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? `${value}` : value)) ?? 'the end';
}

async function dial(path: string): Promise<Socket> {
  const socket = createConnection(path);
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error('the agent is silent')));
  await once(socket, 'connect');
  return socket;
}

async function* decode(socket: Socket): AsyncGenerator<Message, void, undefined> {
  const decoder = new FrameDecoder({ direction: 'toHost' });
  for await (const chunk of socket) yield* decoder.push(chunk);
}
