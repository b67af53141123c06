import { Readable, Writable } from 'node:stream';
import {
  type ContainerReference,
  detachedExec,
  type ExecProcess,
  type ExitResult,
  isZlayerError,
  type StreamingExecOptions,
  signalNumber,
  type TerminalSize,
} from '@zlayer/runtime-core';
import { Inbox } from './inbox.ts';
import type { RemoteRequest, RemoteRequests } from './remote-requests.ts';
import { type ExecEvent, ITEM_BYTES } from './runtime-protocol.ts';

type Inboxes = Readonly<Record<'stdout' | 'stderr', Inbox<Uint8Array>>>;

/** A process that the supervisor has started in a container. */
export class RemoteExec implements ExecProcess {
  readonly hasStarted: boolean;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<ExitResult>;
  readonly #requests: RemoteRequests;
  readonly #request: RemoteRequest;
  readonly #inboxes: Inboxes;
  #isDetached = false;

  private constructor(
    requests: RemoteRequests,
    request: RemoteRequest,
    { hasStarted, inboxes }: { hasStarted: boolean; inboxes: Inboxes },
  ) {
    this.hasStarted = hasStarted;
    this.#requests = requests;
    this.#request = request;
    this.#inboxes = inboxes;
    this.stdout = Readable.from(inboxes.stdout, { objectMode: false });
    this.stderr = Readable.from(inboxes.stderr, { objectMode: false });
    this.stdin = new Writable({
      write: (data: Uint8Array, _encoding, done) => void requests.write(request.key, data).then(() => done(), done),
      final: (done) => void requests.control('end', request.key).then(() => done(), done),
    });
    // Whoever does not look at them gets to know by `exit`.
    for (const stream of this.#streams) stream.on('error', () => {});
    this.exit = this.#ended();
    this.exit.catch(() => {});
  }

  /** Resolves when it has started. */
  static async start(
    requests: RemoteRequests,
    [container, command, options]: [ContainerReference, readonly string[], StreamingExecOptions],
  ): Promise<RemoteExec> {
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    const started = Promise.withResolvers<boolean>();
    const inbox = (channel: string): Inbox<Uint8Array> =>
      new Inbox((bytes) => requests.tell('grant', request.key, { channel, bytes }));
    const inboxes = { stdout: inbox('stdout'), stderr: inbox('stderr') };
    const request = requests.open('exec', { args: [container, command, rest] }, (event) => {
      const told = event as ExecEvent;
      if (told.type === 'started') started.resolve(told.hasStarted);
      else if (told.type === 'ended') inboxes[told.stream].end();
      else inboxes[told.type].push(told.data, told.data.byteLength + ITEM_BYTES);
    });
    const settled = requests.settled(request, { signal });
    settled.catch(started.reject);
    const hasStarted = await started.promise;
    const exec = new RemoteExec(requests, { key: request.key, result: settled }, { hasStarted, inboxes });
    const abort = (): void => {
      if (!exec.#isDetached) exec.#fail(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const done = (): void => signal?.removeEventListener('abort', abort);
    settled.then(done, done);
    return exec;
  }

  async kill(signal: string | number = 'SIGTERM'): Promise<void> {
    await this.#requests.control('signal', this.#request.key, { signal: signalNumber(signal) });
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#requests.control('resize', this.#request.key, { size });
  }

  async detach(): Promise<void> {
    if (this.#isDetached) return;
    this.#isDetached = true;
    try {
      await this.#requests.control('detach', this.#request.key);
    } catch (error) {
      this.#isDetached = false;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    await Promise.all([this.#inboxes.stdout.return(), this.#inboxes.stderr.return()]);
    if (!this.#isDetached) await this.kill('SIGKILL').catch(() => {});
    await this.#request.result.catch(() => {});
  }

  get #streams(): [Writable, Readable, Readable] {
    return [this.stdin, this.stdout, this.stderr];
  }

  async #ended(): Promise<ExitResult> {
    try {
      const exit = (await this.#request.result) as ExitResult;
      await Promise.all([this.#inboxes.stdout.drained, this.#inboxes.stderr.drained]);
      return exit;
    } catch (error) {
      if (this.#isDetached && isZlayerError(error) && error.code === 'CONFLICT') {
        this.stdin.destroy();
        for (const inbox of Object.values(this.#inboxes)) inbox.end();
        throw detachedExec();
      }
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    for (const inbox of Object.values(this.#inboxes)) inbox.end({ error }, { now: true });
    for (const stream of this.#streams) stream.destroy(error as Error);
  }
}
