import { PassThrough, type Readable, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { SupervisorRequest } from '@zlayer/host';
import { type ExecProcess, type Runtime, ZlayerError } from '@zlayer/runtime-core';
import { Credit } from './credit.ts';
import { piecesOf } from './pieces.ts';
import {
  CALLS,
  type CallName,
  type ConnectEvent,
  type Description,
  type ExecEvent,
  ITEM_BYTES,
  ITEM_CALLS,
  type ItemCallName,
  UPLOADS,
  type UploadName,
} from './runtime-protocol.ts';
import { fromWire, toWire } from './wire-value.ts';

/** Something that lasts, and that later requests refer to by its key. */
class Session {
  readonly #controller = new AbortController();
  readonly #credits = new Map<string, Credit>();
  /** Aborted when it is cancelled, or the client goes. */
  readonly signal = this.#controller.signal;
  readonly #request: SupervisorRequest;
  process: ExecProcess | undefined;
  input: Writable | undefined;

  constructor(request: SupervisorRequest) {
    this.#request = request;
    request.signal.addEventListener('abort', () => this.cancel(), { once: true });
  }

  cancel(): void {
    this.#controller.abort(new Error('the client wants no more'));
    for (const credit of this.#credits.values()) credit.close();
  }

  /** Tells the client something as soon as it has room for it. Resolves to whether it is still interested. */
  async emit(channel: string, event: unknown, bytes: number): Promise<boolean> {
    if (!(await this.credit(channel).take(bytes + ITEM_BYTES))) return false;
    // Many streams share a connection, and each has its own credit.
    await this.#request.drained();
    this.#request.emit(toWire(event));
    return true;
  }

  /** Tells it something short at once. */
  tell(event: unknown): void {
    this.#request.emit(toWire(event));
  }

  credit(channel: string): Credit {
    const credit = this.#credits.get(channel) ?? new Credit();
    if (this.signal.aborted) credit.close();
    this.#credits.set(channel, credit);
    return credit;
  }
}

type Call = (...args: unknown[]) => unknown;

/** Lets the clients of a supervisor use runtimes of this process: the other end of `SupervisedRuntime`. */
export class RuntimeServer {
  readonly #open: (name: string) => Promise<Runtime>;
  readonly #runtimes = new Map<string, Runtime>();
  readonly #sessions = new Map<string, Session>();

  /** `open` gives the runtime of a name, or throws; it is called again only for one that it threw for. */
  constructor(open: (name: string) => Promise<Runtime>) {
    this.#open = open;
  }

  /** Answers a request. Runs up to the call of the runtime before it returns: calls are made in the order of requests. */
  handle(request: SupervisorRequest): Promise<unknown> {
    try {
      const params = record(fromWire(request.params));
      return this.#dispatch(request, params).then(toWire);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #dispatch(request: SupervisorRequest, params: Record<string, unknown>): Promise<unknown> {
    const { method, args } = params;
    switch (request.method) {
      case 'describe':
        return this.#describe(text(params['runtime']));
      case 'call':
        return this.#call(request, params, method, list(args));
      case 'items':
        return this.#items(request, params, method, list(args));
      case 'upload':
        return this.#upload(request, params, method, list(args));
      case 'exec':
        return this.#exec(request, params, list(args));
      case 'connect':
        return this.#connect(request, params, list(args));
      default:
        return this.#control(request.method, params);
    }
  }

  async #describe(name: string): Promise<Description> {
    const runtime = this.#runtimes.get(name) ?? (await this.#open(name));
    this.#runtimes.set(name, runtime);
    return { name: runtime.name, capabilities: runtime.capabilities(), overlay: runtime.overlayAttachKind() };
  }

  #call(request: SupervisorRequest, params: Params, method: unknown, args: unknown[]): Promise<unknown> {
    if (!isKey(CALLS, method)) throw unknownRequest(method);
    const runtime = this.#runtime(params);
    return this.#session(request, params, async (session) => {
      const place: number | undefined = CALLS[method as CallName];
      if (place !== undefined) {
        const onProgress = (progress: unknown): void => session.tell(progress);
        args[place] = { ...(args[place] as object | undefined), signal: session.signal, onProgress };
      }
      return await (runtime[method as CallName] as Call).apply(runtime, args);
    });
  }

  #items(request: SupervisorRequest, params: Params, method: unknown, args: unknown[]): Promise<unknown> {
    if (!isKey(ITEM_CALLS, method)) throw unknownRequest(method);
    const runtime = this.#runtime(params);
    return this.#session(request, params, async (session) => {
      const place: number = ITEM_CALLS[method as ItemCallName];
      args[place] = { ...(args[place] as object | undefined), signal: session.signal };
      const opened = (runtime[method as ItemCallName] as Call).apply(runtime, args);
      const items = (opened instanceof Promise ? await opened : opened) as AsyncIterable<unknown>;
      if (opened instanceof Promise) session.tell({ type: 'opened' });
      for await (const item of items) {
        if (!(await sendItem(session, item))) break;
      }
    });
  }

  #upload(request: SupervisorRequest, params: Params, method: unknown, args: unknown[]): Promise<unknown> {
    if (!isKey(UPLOADS, method)) throw unknownRequest(method);
    const runtime = this.#runtime(params);
    return this.#session(request, params, async (session) => {
      const input = new PassThrough();
      input.on('error', () => {});
      session.input = input;
      session.signal.addEventListener('abort', () => input.destroy(), { once: true });
      const { bytes, options } = UPLOADS[method as UploadName];
      args[bytes] = input;
      args[options] = { ...(args[options] as object | undefined), signal: session.signal };
      try {
        return await (runtime[method as UploadName] as Call).apply(runtime, args);
      } finally {
        input.destroy();
      }
    });
  }

  #exec(request: SupervisorRequest, params: Params, args: unknown[]): Promise<unknown> {
    const runtime = this.#runtime(params);
    return this.#session(request, params, async (session) => {
      args[2] = { ...(args[2] as object | undefined), signal: session.signal };
      const process = await (runtime.execStream as Call).apply(runtime, args);
      const running = process as ExecProcess;
      session.process = running;
      session.input = running.stdin;
      running.stdin.on('error', () => {});
      session.tell({ type: 'started', hasStarted: running.hasStarted } satisfies ExecEvent);
      const outputs = (['stdout', 'stderr'] as const).map(async (stream) => {
        await sendBytes(session, running[stream], stream);
        session.tell({ type: 'ended', stream } satisfies ExecEvent);
      });
      const [exit] = await Promise.all([running.exit, ...outputs]);
      return exit;
    });
  }

  #connect(request: SupervisorRequest, params: Params, args: unknown[]): Promise<unknown> {
    const runtime = this.#runtime(params);
    return this.#session(request, params, async (session) => {
      args[2] = { ...(args[2] as object | undefined), signal: session.signal };
      const opened = (runtime.connect as Call).apply(runtime, args) as ReturnType<Runtime['connect']>;
      const stream = await opened;
      stream.on('error', () => {});
      session.input = stream;
      const destroy = (): void => void stream.destroy();
      session.signal.addEventListener('abort', destroy, { once: true });
      if (session.signal.aborted) destroy();
      session.tell({ type: 'connected' } satisfies ConnectEvent);
      await sendBytes(session, stream, 'data');
      session.tell({ type: 'ended' });
      // The other direction may go on.
      await finished(stream, { readable: false }).catch(() => {});
    });
  }

  async #control(method: string, params: Params): Promise<unknown> {
    // What has ended meanwhile needs nothing any more.
    const session = this.#sessions.get(text(params['key']));
    switch (method) {
      case 'grant':
        session?.credit(text(params['channel'])).grant(Number(params['bytes']) || 0);
        return undefined;
      case 'write':
        return await write(session?.input, bytes(params['data']));
      case 'end':
        session?.input?.end();
        return undefined;
      case 'cancel':
        session?.cancel();
        return undefined;
      case 'signal':
        return await session?.process?.kill(params['signal'] as string | number);
      case 'resize':
        return await session?.process?.resize(params['size'] as Parameters<ExecProcess['resize']>[0]);
      case 'detach':
        return await session?.process?.detach();
      default:
        throw unknownRequest(method);
    }
  }

  #runtime(params: Params): Runtime {
    const runtime = this.#runtimes.get(text(params['runtime']));
    if (runtime) return runtime;
    throw new ZlayerError('INVALID_SPEC', 'a runtime is to be asked what it is before it is used');
  }

  async #session<T>(request: SupervisorRequest, params: Params, work: (session: Session) => Promise<T>): Promise<T> {
    const key = text(params['key']);
    if (this.#sessions.has(key)) throw new ZlayerError('INVALID_SPEC', 'the key of a request is in use');
    const session = new Session(request);
    this.#sessions.set(key, session);
    try {
      return await work(session);
    } finally {
      this.#sessions.delete(key);
    }
  }
}

type Params = Record<string, unknown>;

async function sendItem(session: Session, item: unknown): Promise<boolean> {
  const data = item instanceof Uint8Array ? item : (item as { data?: unknown }).data;
  if (!(data instanceof Uint8Array)) return await session.emit('items', item, ITEM_BYTES);
  for (const piece of piecesOf(data)) {
    const part = item instanceof Uint8Array ? piece : { ...(item as object), data: piece };
    if (!(await session.emit('items', part, piece.byteLength))) return false;
  }
  return true;
}

/** To its end, or until it is destroyed, or the client has enough. */
async function sendBytes(session: Session, stream: Readable, channel: string): Promise<void> {
  for await (const chunk of stream) {
    for (const data of piecesOf(chunk as Uint8Array)) {
      if (!(await session.emit(channel, { type: channel, data }, data.byteLength))) return;
    }
  }
}

/** Resolves when there is room for more. */
async function write(target: Writable | undefined, data: Uint8Array): Promise<void> {
  if (!target || target.destroyed || target.writableEnded) {
    throw new ZlayerError('CONFLICT', 'nobody reads this input any more');
  }
  await new Promise<void>((resolve, reject) => {
    target.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

function isKey<T extends object>(table: T, key: unknown): boolean {
  return typeof key === 'string' && Object.hasOwn(table, key);
}

function unknownRequest(method: unknown): ZlayerError {
  return new ZlayerError('UNSUPPORTED', `the supervisor knows no request ${JSON.stringify(method)}`);
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ZlayerError('INVALID_SPEC', 'a request has no parameters');
}

function text(value: unknown): string {
  if (typeof value === 'string' && value.length <= 256) return value;
  throw new ZlayerError('INVALID_SPEC', 'a parameter of a request is no text');
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value) && value.length <= 16) return value;
  throw new ZlayerError('INVALID_SPEC', 'a request has no list of arguments');
}

function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new ZlayerError('INVALID_SPEC', 'a request has no bytes');
}
