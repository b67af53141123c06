import type { Duplex } from 'node:stream';
import { abortable } from '../abortable.ts';
import type { ExitResult } from '../container-state.ts';
import type { TerminalSize } from '../exec.ts';
import type { OutputChunk } from '../output.ts';
import { signalNumber } from '../signals.ts';
import { ChunkQueue } from './chunk-queue.ts';
import type { FakeFiles } from './fake-files.ts';
import type { FakeOutput, FakeProgram, FakeProgramContext } from './fake-program.ts';
import { Pulse } from './pulse.ts';

const SIGKILL = 9;
const SIGCONT = 18;
const STOPPING = new Set([19, 20, 21, 22]);
/** SIGCHLD, SIGURG, SIGWINCH: nothing happens when nobody handles them. */
const HARMLESS = new Set([17, 23, 28]);
const SIGWINCH = 28;

/** What a process is started with. */
export interface FakeProcessOptions {
  pid: number;
  program: FakeProgram;
  /** It only says that there is no such program. */
  isMissing: boolean;
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  user: { uid: number; gid: number };
  terminal?: TerminalSize | undefined;
  hostname: string;
  files: FakeFiles;
  /** Whether the container has room for that much more. */
  allocate: (bytes: number) => boolean;
  /** Resolves when more may be written. */
  output: (chunk: OutputChunk) => Promise<void>;
}

/** Tells a program that its process is no more. */
class ProcessEnded extends Error {}

/** A program at work, with signals, input and output as a process of Linux has them. */
export class FakeProcess {
  readonly options: FakeProcessOptions;
  readonly ports = new Map<number, (socket: Duplex) => void>();
  readonly sockets = new Map<string, (socket: Duplex) => void>();
  readonly datagramPorts = new Map<number, (data: Uint8Array, reply: (data: Uint8Array) => void) => void>();
  /** Resolves when it has ended. */
  readonly exit: Promise<ExitResult>;
  readonly #input = new ChunkQueue<Uint8Array>((data) => data.byteLength);
  readonly #handlers = new Map<number, 'ignore' | (() => void | Promise<void>)>();
  readonly #ended = new AbortController();
  readonly #end = Promise.withResolvers<ExitResult>();
  readonly #thaw = new Pulse();
  #pending: number[] = [];
  #frozen = false;
  #terminal: TerminalSize | undefined;

  constructor(options: FakeProcessOptions) {
    this.options = options;
    this.exit = this.#end.promise;
    this.#terminal = options.terminal;
    void this.#run();
  }

  get running(): boolean {
    return !this.#ended.signal.aborted;
  }

  get inputOpen(): boolean {
    return this.running && this.#input.open;
  }

  async writeInput(data: Uint8Array): Promise<void> {
    await this.#input.push(Uint8Array.from(data));
  }

  closeInput(): void {
    this.#input.end();
  }

  resize(size: TerminalSize): void {
    this.#terminal = size;
    this.deliver(SIGWINCH);
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    this.#thaw.beat();
    for (const signal of this.#pending.splice(0)) this.deliver(signal);
  }

  /** Signals to a frozen process wait until it is thawed, except for SIGKILL. */
  deliver(signal: number): void {
    if (!this.running) return;
    const handler = this.#handlers.get(signal);
    if (signal === SIGKILL) this.#die(signal);
    else if (signal === SIGCONT) this.thaw();
    else if (this.#frozen) this.#pending.push(signal);
    else if (handler === 'ignore') return;
    // An error of a handler is the program's; it has nobody to tell.
    else if (handler) Promise.resolve(handler()).catch(() => {});
    else if (STOPPING.has(signal)) this.freeze();
    else if (!HARMLESS.has(signal)) this.#die(signal);
  }

  #die(signal: number): void {
    this.#finish({ reason: 'signal', exitCode: 128 + signal, signal });
  }

  #finish(result: ExitResult): void {
    if (!this.running) return;
    this.#ended.abort(new ProcessEnded('the process has ended'));
    this.#input.abandon();
    this.ports.clear();
    this.sockets.clear();
    this.datagramPorts.clear();
    this.#end.resolve(result);
  }

  async #run(): Promise<void> {
    // The one who starts a process gets to know it before it says anything.
    await Promise.resolve();
    let exitCode: number;
    try {
      exitCode = await this.options.program(this.#context());
    } catch (error) {
      if (!this.running) return;
      const message = error instanceof Error ? error.message : String(error);
      await this.#alive(this.options.output({ stream: 'stderr', data: Buffer.from(`${message}\n`) })).catch(() => {});
      exitCode = 1;
    }
    this.#finish({ reason: 'exited', exitCode: exitCode & 0xff });
  }

  #context(): FakeProgramContext {
    const { pid, hostname, files, argv, env, cwd, user } = this.options;
    const process = this;
    return {
      pid,
      hostname,
      files,
      argv,
      env,
      cwd,
      user,
      stdin: {
        read: () => this.#read(),
        async *[Symbol.asyncIterator]() {
          for (let data = await process.#read(); data !== undefined; data = await process.#read()) yield data;
        },
      },
      stdout: this.#writer('stdout'),
      stderr: this.#writer(this.options.terminal ? 'stdout' : 'stderr'),
      get terminal() {
        return process.#terminal;
      },
      ended: this.#ended.signal,
      onSignal: (signal, handler) => {
        this.#handlers.set(signalNumber(signal), handler);
      },
      raise: async (signal) => {
        this.deliver(signalNumber(signal));
        await this.#thawed();
      },
      exit: (code) => {
        this.#finish({ reason: 'exited', exitCode: code & 0xff });
        return Promise.reject(this.#ended.signal.reason);
      },
      sleep: (milliseconds) => this.#sleep(milliseconds),
      listen: (port, serve) => {
        this.ports.set(port, serve);
      },
      listenAt: (path, serve) => {
        this.sockets.set(path, serve);
      },
      receive: (port, serve) => {
        this.datagramPorts.set(port, serve);
      },
      allocate: async (bytes) => {
        if (!this.options.allocate(bytes)) this.#finish({ reason: 'oom-killed', exitCode: 137 });
        this.#ended.signal.throwIfAborted();
      },
    };
  }

  #writer(stream: OutputChunk['stream']): FakeOutput {
    return {
      write: async (data) => {
        await this.#thawed();
        await this.#alive(this.options.output({ stream, data: Buffer.from(data) }));
      },
    };
  }

  async #read(): Promise<Uint8Array | undefined> {
    await this.#thawed();
    const { value } = await this.#alive(this.#input.next());
    await this.#thawed();
    return value;
  }

  async #sleep(milliseconds: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    try {
      await this.#alive(passed);
    } finally {
      clearTimeout(timer);
    }
    await this.#thawed();
  }

  async #thawed(): Promise<void> {
    this.#ended.signal.throwIfAborted();
    while (this.#frozen) await this.#alive(this.#thaw.wait());
  }

  /** Gives up waiting when the process ends. */
  #alive<T>(promise: Promise<T>): Promise<T> {
    return abortable(promise, this.#ended.signal);
  }
}
