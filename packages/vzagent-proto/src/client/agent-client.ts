import { addAbortSignal, type Duplex, type Readable } from 'node:stream';
import type { Message, MessageOf, MessageType } from '../message.ts';
import { AgentCalls, expectType } from './agent-calls.ts';
import { AgentError } from './agent-error.ts';
import {
  AgentProcess,
  type ProcessExit,
  type ProcessOptions,
  type SignalTarget,
  type TerminalSize,
} from './agent-process.ts';
import { ArchiveStream, type FileInfo, fileInfoOf, sendArchive } from './archive.ts';
import { Datagrams } from './datagrams.ts';
import { type CallOptions, withDeadline } from './deadline.ts';
import { ExtendedDialect, type ProcessTerms } from './extended-dialect.ts';
import { LegacyAgent } from './legacy-agent.ts';
import { legacyError } from './legacy-dialect.ts';
import { legacyExec, legacyRun } from './legacy-start.ts';
import type { Connect, MessageConnection } from './message-connection.ts';
import { printable } from './printable.ts';
import { isPossibleExit } from './process-dialect.ts';
import { SharedCall } from './shared-call.ts';
import { Tunnel } from './tunnel.ts';
import { type GuestEvent, guestEvents } from './watch.ts';

/** The version of the extensions that this package speaks. */
export const EXTENSIONS_VERSION = 1;

/** Milliseconds that an answer may take unless it is said otherwise. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** The feature of an agent that takes `Execute` and `Connect` on the connection of one that has ended. */
const REUSE = 'reuse';

/** More features than an agent has reason to name. */
const MAX_FEATURES = 256;

type Fields<T extends MessageType> = Omit<MessageOf<T>, 'type'>;

/** Everything about the workload: the fields of `Start`. */
export type StartSpec = Fields<'Start'>;
/** Everything about a process beside the workload: the fields of `Execute`. */
export type ExecuteSpec = Fields<'Execute'>;
export type GuestStatistics = Fields<'Statistics'>;
export type GuestNetwork = Fields<'Network'>;
export type GuestProcess = MessageOf<'Processes'>['processes'][number];
export type OverlaySettings = Fields<'ConfigureOverlay'>;
export type PressureThreshold = NonNullable<MessageOf<'Watch'>['pressure']>;

/** What the agent says about itself. */
export interface AgentInfo {
  /** The version of its extensions; 0 without any. */
  version: number;
  features: readonly string[];
  /** Its name and version, made printable; empty without extensions. */
  software: string;
  /** It knows only the messages with tags 1 to 14. */
  isLegacy: boolean;
}

/** A socket in the guest. */
export interface TunnelTarget {
  protocol: 'tcp' | 'udp' | 'unix';
  /** An IP address of the guest; empty (the default) for loopback. The path of a Unix socket in the container. */
  address?: string | undefined;
  /** 1 to 65535; 0 (the default) with a Unix socket. */
  port?: number | undefined;
}

export interface ConnectOptions extends CallOptions {
  /**
   * Gives the stream before the guest has connected: what is written goes along with the request, and a refusal is an
   * error of the stream. A connection to the guest is held open for some seconds after it, for the next early one. False
   * by default; datagrams and agents without extensions know no difference.
   */
  early?: boolean | undefined;
}

export interface AttachOptions extends ProcessOptions, ProcessTerms {
  /**
   * Where output shall begin: everything before it is safe on this side, and the guest forgets it. By default it begins
   * with the oldest byte that the guest still has.
   */
  offset?: number | undefined;
}

export interface WatchOptions extends CallOptions {
  /** From when on `MemoryPressure` is told; without it never. */
  pressure?: PressureThreshold | undefined;
}

export interface ArchivePutOptions extends CallOptions {
  /** Owners as the archive has them, by number; else all belongs to root. False by default. */
  keepOwners?: boolean | undefined;
  /** Whether a file may take a folder's place and a folder a file's. False by default. */
  replaceFolders?: boolean | undefined;
}

export interface AgentClientOptions {
  /** Milliseconds that an answer may take, connecting included; 30 000 by default. */
  timeoutMs?: number | undefined;
  /** What `Hello` tells the agent about this side; `zlayer` by default. */
  software?: string | undefined;
}

/**
 * The agent in a guest, over streams to its control port. Each call has a connection of its own, so none waits for
 * another. One whose process or tunnel has ended is kept a few seconds for the next `execute` or `connectTo`. All errors
 * are `AgentError`s, but for the reason of an aborted signal.
 * The guest is not trusted: whatever it sends that is malformed or out of place ends the connection it came on.
 *
 * An agent without extensions is served by tags 1 to 14, as far as they reach; what they cannot do is an error of the
 * kind `unsupported` that names the feature.
 */
export class AgentClient {
  /** The messages of agents without extensions, to be used by name. */
  readonly legacy: LegacyAgent;
  readonly #calls: AgentCalls;
  readonly #timeoutMs: number;
  readonly #asking: SharedCall<AgentInfo>;
  #info: AgentInfo | undefined;

  constructor(connect: Connect, { timeoutMs = DEFAULT_TIMEOUT_MS, software = 'zlayer' }: AgentClientOptions = {}) {
    this.#calls = new AgentCalls(connect, timeoutMs);
    this.#timeoutMs = timeoutMs;
    this.#asking = new SharedCall((signal) => askHello(this.#calls, software, signal));
    this.legacy = new LegacyAgent(this.#calls);
  }

  /**
   * What the agent can do. Asked once; one that hangs up on the question, or answers it with `Error`, has no
   * extensions.
   */
  async hello(options: CallOptions = {}): Promise<AgentInfo> {
    const { signal, timeoutMs = this.#timeoutMs } = options;
    this.#info ??= await withDeadline('Hello', { signal, timeoutMs }, (signal) => this.#asking.join(signal));
    return this.#info;
  }

  /** Starts the workload: the process 0. */
  async start(spec: StartSpec, options: ProcessOptions = {}): Promise<AgentProcess> {
    if (await this.#isLegacy(options)) return this.legacy.run(legacyRun(spec), { ...options, stdin: spec.stdin });
    return this.#begin({ type: 'Start', ...spec }, spec, options);
  }

  /** Runs a process beside the workload, in its container. */
  async execute(spec: ExecuteSpec, options: ProcessOptions = {}): Promise<AgentProcess> {
    if (await this.#isLegacy(options)) return this.legacy.exec(legacyExec(spec), options);
    return this.#begin({ type: 'Execute', ...spec }, spec, options);
  }

  /**
   * Takes over the connection of a process, 0 being the workload; also of one that has ended, if its output is not all
   * taken. Its `outputOffset` is beyond the one asked for if the guest no longer has what is between.
   */
  async attach(process: number, options: AttachOptions = {}): Promise<AgentProcess> {
    await this.#requireExtensions('attaching to a process', options);
    return this.#begin({ type: 'Attach', process, offset: options.offset ?? null }, options, options);
  }

  /** How a process ends, when it has. Waits for ever unless told otherwise. */
  async wait(process: number, options: CallOptions = {}): Promise<ProcessExit> {
    await this.#requireExtensions('waiting for a process', options);
    const limits = { signal: options.signal, timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY };
    const answer = await this.#calls.ask({ type: 'Wait', process }, 'ProcessExited', limits);
    const { type: _, process: told, ...exit } = answer;
    if (told === process && isPossibleExit(exit)) return exit;
    throw new AgentError('malformed', `Wait: the guest agent reported an impossible exit of process ${told}`);
  }

  /** Sends a signal to a process, its group, or everything in the container. */
  async signal(
    process: number,
    signum: number,
    target: SignalTarget = 'process',
    options: CallOptions = {},
  ): Promise<void> {
    if (await this.#isLegacy(options)) {
      if (process !== 0) throw legacyError('signals for anything but the workload');
      if (target !== 'process') throw legacyError('signals for a group');
      await this.legacy.signal(signum, options);
    } else {
      await this.#calls.ask({ type: 'SignalProcess', process, signum, target }, 'Done', options);
    }
  }

  /** Tells a process that its terminal has another size. */
  async resize(process: number, size: TerminalSize, options: CallOptions = {}): Promise<void> {
    await this.#requireExtensions('terminals', options);
    await this.#calls.ask({ type: 'Resize', process, size }, 'Done', options);
  }

  /**
   * Lets a process that `execute` started go on by itself: its input ends, but on a terminal, which stays open; nothing
   * that it writes is kept. Its connection gets an error of the kind `conflict`, and its loss ends it no more.
   */
  async detach(process: number, options: CallOptions = {}): Promise<void> {
    const feature = 'detaching from a process';
    await this.#requireExtensions(feature, options);
    if (!(await this.hello(options)).features.includes('detach')) throw unknownFeature(feature);
    await this.#calls.ask({ type: 'Detach', process }, 'Done', options);
  }

  /** All processes of the container. */
  async listProcesses(options: CallOptions = {}): Promise<readonly GuestProcess[]> {
    await this.#requireExtensions('process list', options);
    return (await this.#calls.ask({ type: 'ListProcesses' }, 'Processes', options)).processes;
  }

  /** Stops every process of the container where it is. */
  async freeze(options: CallOptions = {}): Promise<void> {
    await this.#requireExtensions('freezing', options);
    await this.#calls.ask({ type: 'Freeze' }, 'Done', options);
  }

  /** Lets the processes that `freeze` stopped go on. */
  async thaw(options: CallOptions = {}): Promise<void> {
    await this.#requireExtensions('freezing', options);
    await this.#calls.ask({ type: 'Thaw' }, 'Done', options);
  }

  /**
   * Ends the guest: the workload's stop signal, `graceMillis` for it to end, SIGKILL, file systems synchronized, power
   * off. Resolves when the agent has begun with it.
   */
  async shutdown(graceMillis: number, options: CallOptions = {}): Promise<void> {
    await this.#requireExtensions('orderly shutdown', options);
    await this.#calls.ask({ type: 'Shutdown', graceMillis }, 'Done', options);
  }

  /** What the container uses now. */
  async statistics(options: CallOptions = {}): Promise<GuestStatistics> {
    await this.#requireExtensions('statistics', options);
    const { type: _, ...statistics } = await this.#calls.ask({ type: 'GetStatistics' }, 'Statistics', options);
    return statistics;
  }

  /** Sets the guest's clock, in microseconds since 1970. */
  async setClock(unixMicros: number, options: CallOptions = {}): Promise<void> {
    if (await this.#isLegacy(options)) await this.legacy.setTime(BigInt(Math.floor(unixMicros / 1e6)), options);
    else await this.#calls.ask({ type: 'SetClock', unixMicros }, 'Done', options);
  }

  /** The guest's addresses, gateway and name servers. */
  async network(options: CallOptions = {}): Promise<GuestNetwork> {
    await this.#requireExtensions('network report', options);
    const { type: _, ...network } = await this.#calls.ask({ type: 'GetNetwork' }, 'Network', options);
    return network;
  }

  /** Brings the overlay network up, in place of one that was there. */
  async configureOverlay(settings: OverlaySettings, options: CallOptions = {}): Promise<void> {
    if (await this.#isLegacy(options)) await this.legacy.configureOverlay(settings, options);
    else await this.#calls.ask({ type: 'ConfigureOverlay', ...settings }, 'Done', options);
  }

  /**
   * What happens in the guest from now on: changes of its addresses, kills for want of memory, memory pressure. Leaving
   * the loop ends the watch; it rejects when the connection is lost, and with the signal's reason.
   */
  async watch({ pressure, ...options }: WatchOptions = {}): Promise<AsyncGenerator<GuestEvent, void, undefined>> {
    await this.#requireExtensions('watching', options);
    const [connection] = await this.#calls.open('Watch', options, async (connection) => {
      await connection.send({ type: 'Watch', pressure: pressure ?? null });
      expectType(await connection.answer(), 'Done', 'Watch');
    });
    return guestEvents(connection, options.signal);
  }

  /**
   * A stream to a socket in the guest, which ends each way by itself; with UDP, datagrams. An agent without extensions
   * reaches TCP on 127.0.0.1 alone, as `legacy.forward` says.
   */
  connectTo(target: TunnelTarget & { protocol: 'udp' }, options?: CallOptions): Promise<Datagrams>;
  connectTo(target: TunnelTarget & { protocol: 'tcp' | 'unix' }, options?: ConnectOptions): Promise<Duplex>;
  async connectTo(target: TunnelTarget, options: ConnectOptions = {}): Promise<Duplex | Datagrams> {
    const { protocol, address = '', port = 0 } = target;
    if (await this.#isLegacy(options)) {
      if (protocol !== 'tcp') throw legacyError(`tunnels for ${protocol}`);
      if (address !== '' && address !== '127.0.0.1') throw legacyError('tunnels to other addresses than 127.0.0.1');
      return this.legacy.forward(port, options);
    }
    const subject = protocol === 'unix' ? address : `${address || 'localhost'}:${port}`;
    const isEarly = options.early === true && protocol !== 'udp';
    const asked = Promise.withResolvers<MessageConnection>();
    asked.promise.catch(() => {});
    const opened = this.#calls.open(
      'Connect',
      options,
      async (connection) => {
        await connection.send({ type: 'Connect', protocol, address, port });
        asked.resolve(connection);
        expectType(await connection.answer(), 'Done', 'Connect', subject);
        if (isEarly && this.#isReusing) this.#calls.prepare();
      },
      this.#isReusing,
    );
    opened.catch(asked.reject);
    const connection = await (isEarly ? asked.promise : opened.then(([first]) => first));
    if (protocol === 'udp') return new Datagrams(connection);
    return new Tunnel(connection, { opened, idle: this.#isReusing ? this.#calls.idle : undefined });
  }

  /**
   * A file or folder of the container as a tar stream, in which it has its last name; destroy the stream to give up.
   */
  async archiveGet(path: string, options: CallOptions = {}): Promise<{ info: FileInfo; archive: Readable }> {
    await this.#requireExtensions('file archives', options);
    const [connection, info] = await this.#calls.open('ArchiveGet', options, async (connection) => {
      await connection.send({ type: 'ArchiveGet', path });
      return fileInfoOf(expectType(await connection.answer(), 'FileInfo', 'ArchiveGet', path));
    });
    const archive = new ArchiveStream(connection, path);
    return { info, archive: options.signal === undefined ? archive : addAbortSignal(options.signal, archive) };
  }

  /** Unpacks a tar stream in a folder of the container. May take as long as the source takes, unless told otherwise. */
  async archivePut(
    path: string,
    archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: ArchivePutOptions = {},
  ): Promise<void> {
    await this.#requireExtensions('file archives', options);
    const { keepOwners = false, replaceFolders = false, signal, timeoutMs = Number.POSITIVE_INFINITY } = options;
    await this.#calls.once('ArchivePut', { signal, timeoutMs }, async (connection) => {
      await connection.send({ type: 'ArchivePut', path, keepOwners, replaceFolders });
      await sendArchive(connection, archive, path);
    });
  }

  /** What a path of the container is, without following it if it is a link. */
  async archiveHead(path: string, options: CallOptions = {}): Promise<FileInfo> {
    await this.#requireExtensions('file archives', options);
    return fileInfoOf(await this.#calls.ask({ type: 'ArchiveHead', path }, 'FileInfo', options, path));
  }

  async #begin(
    request: MessageOf<'Start' | 'Execute' | 'Attach'>,
    terms: ProcessTerms,
    { acknowledge, signal, timeoutMs }: ProcessOptions,
  ): Promise<AgentProcess> {
    const subject = request.type === 'Attach' ? `process ${request.process}` : request.argv[0];
    const options = { signal, timeoutMs };
    const begin = async (connection: MessageConnection): Promise<MessageOf<'ProcessStarted'>> => {
      await connection.send(request);
      const answer = expectType(await connection.answer(), 'ProcessStarted', request.type, subject);
      checkStarted(request, answer);
      if (request.type === 'Attach' && request.offset !== null) {
        // A guest whose spool is full of what this side has already would wait for ever to be told so.
        await connection.send({ type: 'OutputTaken', offset: answer.outputOffset });
      }
      return answer;
    };
    const isExecution = request.type === 'Execute';
    const [connection, started] = await this.#calls.open(request.type, options, begin, isExecution);
    // The guest keeps nothing of a process that ends with its connection, so nothing has to be said at its end.
    const isLeft = isExecution && request.whenLost === 'end' && !request.stdin && this.#isReusing;
    const dialect = new ExtendedDialect(connection, started, this, terms);
    return new AgentProcess(connection, dialect, acknowledge, isLeft ? this.#calls.idle : undefined);
  }

  get #isReusing(): boolean {
    return this.#info?.features.includes(REUSE) === true;
  }

  async #isLegacy({ signal, timeoutMs }: CallOptions): Promise<boolean> {
    return (await this.hello({ signal, timeoutMs })).isLegacy;
  }

  async #requireExtensions(feature: string, options: CallOptions): Promise<void> {
    if (await this.#isLegacy(options)) throw legacyError(feature);
  }
}

/** The guest was booted with the agent of an earlier release. */
function unknownFeature(feature: string): AgentError {
  return new AgentError('unsupported', `the agent in this guest does not know ${feature}`, {
    subject: feature,
    remedy: 'Stop the container and start it again: it boots with the agent of this release then.',
  });
}

function askHello(calls: AgentCalls, software: string, signal: AbortSignal): Promise<AgentInfo> {
  // The time that it may take is that of those who wait for it.
  return calls.once('Hello', { signal, timeoutMs: Number.POSITIVE_INFINITY }, async (connection) => {
    await connection.send({ type: 'Hello', version: EXTENSIONS_VERSION, features: [], software });
    const answer = await connection.receive();
    if (answer === undefined || answer.type === 'Error') {
      return { version: 0, features: [], software: '', isLegacy: true };
    }
    return agentInfo(expectType(answer, 'Hello', 'Hello'));
  });
}

function agentInfo({ version, features, software }: MessageOf<'Hello'>): AgentInfo {
  if (version > 0 && features.length <= MAX_FEATURES) {
    return { version, features: features.map(printable), software: printable(software), isLegacy: false };
  }
  throw new AgentError('malformed', `Hello: the guest agent has version ${version} and ${features.length} features`);
}

/** What a guest says it has begun must be what was asked for. */
function checkStarted(request: Message, { process, outputOffset, pid }: MessageOf<'ProcessStarted'>): void {
  const isAttached = request.type === 'Attach';
  const isOther = isAttached ? process !== request.process : (process === 0) !== (request.type === 'Start');
  const isBefore = isAttached ? outputOffset < (request.offset ?? 0) : outputOffset !== 0;
  if (!isOther && !isBefore && pid > 0) return;
  const told = `process ${process} with pid ${pid} and output from ${outputOffset}`;
  throw new AgentError('malformed', `${request.type}: the guest agent began ${told}, which was not asked for`);
}
