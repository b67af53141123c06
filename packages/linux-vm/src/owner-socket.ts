import { rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { MAX_SOCKET_NAME_BYTES, removeRunDirectory, runDirectory, socketPath } from '@zlayer/host';
import {
  type Cancellable,
  ConflictError,
  type ContainerInstance,
  type ExitResult,
  errorFromJSON,
  InternalError,
  isZlayerError,
  type StartReport,
  type TerminalSize,
  UnavailableError,
  ZlayerError,
} from '@zlayer/runtime-core';

const SOCKET = 'owner.sock'.slice(0, MAX_SOCKET_NAME_BYTES);
const MAX_LINE = 1024 * 1024;

/** What a process asks the owner of a container to do, because only the owner may. */
export interface OwnerCalls {
  start(container: ContainerInstance): Promise<StartReport>;
  stop(container: ContainerInstance, timeoutMs: number): Promise<void>;
  kill(container: ContainerInstance, signal: string | number): Promise<void>;
  remove(container: ContainerInstance, force: boolean): Promise<void>;
  pause(container: ContainerInstance): Promise<void>;
  unpause(container: ContainerInstance): Promise<void>;
  wait(container: ContainerInstance, condition: 'not-running' | 'next-exit' | 'removed'): Promise<ExitResult>;
  closeStdin(container: ContainerInstance): Promise<void>;
  resize(container: ContainerInstance, size: TerminalSize): Promise<void>;
}

const CALLS: ReadonlySet<string> = new Set<keyof OwnerCalls>([
  ...(['start', 'stop', 'kill', 'remove', 'pause', 'unpause', 'wait', 'closeStdin', 'resize'] as const),
]);

interface Request {
  call: keyof OwnerCalls;
  args: unknown[];
}

/** A JSON object a line. What is thrown is told as `toJSON` of an error has it. */
type Answer = { value?: unknown } | { error: Parameters<typeof errorFromJSON>[0] };

/** Directories of this process' sockets: a program may end without closing its runtimes. */
const present = new Set<string>();

function removeAtExit(directory: string): void {
  if (present.size === 0) process.off('exit', removePresent).once('exit', removePresent);
  present.add(directory);
}

function removePresent(): void {
  for (const directory of present) rmSync(directory, { recursive: true, force: true });
}

/** Removes what an owner has left that is known to be dead, and that was killed before it could do so itself. */
export async function removeTracesOf(owner: string): Promise<void> {
  await removeRunDirectory(await directoryOf(owner));
}

const directoryOf = (owner: string): Promise<string> => runDirectory(`owner ${owner}`);

/**
 * Takes the requests of other processes of the same user, as long as its owner lives. Each comes on its own connection.
 */
export class OwnerSocket implements AsyncDisposable {
  readonly #server: Server;
  readonly #directory: string;
  readonly #clients = new Set<Socket>();

  private constructor(server: Server, directory: string) {
    this.#server = server;
    this.#directory = directory;
  }

  static async listen(owner: string, calls: OwnerCalls): Promise<OwnerSocket> {
    const directory = await directoryOf(owner);
    const server = createServer();
    const socket = new OwnerSocket(server, directory);
    server.on('connection', (client) => socket.#serve(client, calls));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(socketPath(directory, SOCKET), resolve);
    });
    removeAtExit(directory);
    // It keeps no program alive that has nothing else to do.
    server.unref();
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients) client.destroy();
    await closed;
    await removeRunDirectory(this.#directory);
    present.delete(this.#directory);
  }

  #serve(client: Socket, calls: OwnerCalls): void {
    this.#clients.add(client);
    client.on('error', () => client.destroy()).once('close', () => this.#clients.delete(client));
    readLine(client)
      .then((line) => answerTo(line, calls))
      .then(
        (answer) => client.end(`${JSON.stringify(answer)}\n`),
        () => client.destroy(),
      );
  }
}

/**
 * Asks the owner of a container.
 *
 * @throws what the owner's call throws; ZlayerError `UNAVAILABLE` when it ends before it has answered.
 */
export async function askOwner<Call extends keyof OwnerCalls>(
  owner: string,
  call: Call,
  args: Parameters<OwnerCalls[Call]>,
  { signal }: Cancellable = {},
): Promise<Awaited<ReturnType<OwnerCalls[Call]>>> {
  signal?.throwIfAborted();
  const directory = await directoryOf(owner);
  const socket = createConnection(socketPath(directory, SOCKET));
  let isServed = true;
  const abort = (): void => {
    socket.destroy();
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      isServed = code !== 'ENOENT' && code !== 'ECONNREFUSED';
    });
    socket.write(`${JSON.stringify({ call, args } satisfies Request)}\n`);
    const answer = JSON.parse(await readLine(socket)) as Answer;
    if ('error' in answer) throw errorFromJSON(answer.error);
    return answer.value as Awaited<ReturnType<OwnerCalls[Call]>>;
  } catch (error) {
    signal?.throwIfAborted();
    if (isZlayerError(error)) throw error;
    // What an owner has left that was killed, and what has just been made to look for it.
    if (!isServed) await removeRunDirectory(directory);
    throw new UnavailableError('the process that owns the container ended before it had answered', {
      remedy: 'Try again: the container is adopted then, if it was kept.',
      cause: error,
    });
  } finally {
    signal?.removeEventListener('abort', abort);
    socket.destroy();
  }
}

async function answerTo(line: string, calls: OwnerCalls): Promise<Answer> {
  try {
    const { call, args } = JSON.parse(line) as Request;
    if (!CALLS.has(call) || !Array.isArray(args)) throw new ConflictError(`an owner cannot be asked for ${call}`);
    const work = calls[call] as (...args: unknown[]) => Promise<unknown>;
    return { value: await work(...args) };
  } catch (error) {
    const told = error instanceof ZlayerError ? error : new InternalError((error as Error).message, { cause: error });
    return { error: told.toJSON() };
  }
}

function readLine(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const pieces: Buffer[] = [];
  let length = 0;
  socket.on('data', (data: Buffer) => {
    pieces.push(data);
    length += data.length;
    if (data.includes('\n')) resolve(Buffer.concat(pieces).toString('utf8'));
    else if (length > MAX_LINE) socket.destroy();
  });
  socket.once('close', () => reject(new Error('the connection ended')));
  return promise;
}
