import type { Duplex, Readable } from 'node:stream';
import type { DatagramChannel } from '@zlayer/host';
import {
  type BufferedExecOptions,
  type Cancellable,
  ConflictError,
  type ContainerStats,
  type ExecProcess,
  type ExecResult,
  type FileStatus,
  formatContainerId,
  NotFoundError,
  type OverlayConfig,
  type ProcessEntry,
  type StreamingExecOptions,
  type TerminalSize,
  ZlayerError,
} from '@zlayer/runtime-core';
import {
  AgentError,
  type AgentProcess,
  type ConnectOptions,
  type Datagrams,
  type ExecuteSpec,
} from '@zlayer/vzagent-proto';
import type { ContainerRecord } from './container-record.ts';
import { resultOf, runToEnd } from './exec-buffered.ts';
import { gone, type NotStarted, notStarted } from './exec-error.ts';
import { endedExec, StreamingExec } from './exec-streaming.ts';
import { containerStats } from './guest-statistics.ts';
import type { Machine } from './machine.ts';
import { overlaySettings } from './overlay.ts';
import { executeSpec } from './start-spec.ts';

/** The workload's number among the agent's processes. */
export const WORKLOAD = 0;

const FILE_TYPE = 0o170000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

type GuestRecord = Pick<ContainerRecord, 'id' | 'spec' | 'process'>;

/** What can be done in the guest of a running container, by its owner and by anybody else who may open its socket. */
export class Guest {
  readonly machine: Machine;
  readonly #record: GuestRecord;

  constructor(machine: Machine, record: GuestRecord) {
    this.machine = machine;
    this.#record = record;
  }

  /** Sends the workload a signal. */
  async signal(signum: number): Promise<void> {
    await this.#ask((agent) => agent.signal(WORKLOAD, signum));
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.#ask((agent) => agent.resize(WORKLOAD, size));
  }

  async exec(command: readonly string[], options: BufferedExecOptions): Promise<ExecResult> {
    const stdin = options.input !== undefined && options.input.length > 0;
    const started = await this.#execute(command, { ...options, stdin, tty: undefined });
    return 'exitCode' in started ? resultOf(started) : await runToEnd(started, command, options);
  }

  async execStream(
    command: readonly string[],
    options: StreamingExecOptions,
    unsupportedResize: () => ZlayerError,
  ): Promise<ExecProcess> {
    const started = await this.#execute(command, { ...options, stdin: true });
    if ('exitCode' in started) return endedExec(started, unsupportedResize);
    return new StreamingExec(started, { signal: options.signal, tty: options.tty !== undefined, unsupportedResize });
  }

  async connect(port: number, options: ConnectOptions): Promise<Duplex> {
    return await this.#ask((agent) => agent.connectTo({ protocol: 'tcp', port }, options));
  }

  /** Connects to a Unix socket of the container. */
  async connectSocket(path: string, options: ConnectOptions): Promise<Duplex> {
    return await this.#ask((agent) => agent.connectTo({ protocol: 'unix', address: path }, options));
  }

  async datagrams(port: number, options: Cancellable): Promise<DatagramChannel> {
    return datagramChannel(await this.#ask((agent) => agent.connectTo({ protocol: 'udp', port }, options)));
  }

  async stats(): Promise<ContainerStats> {
    return containerStats(await this.#ask((agent) => agent.statistics()));
  }

  async top(): Promise<ProcessEntry[]> {
    const processes = await this.#ask((agent) => agent.listProcesses());
    return processes.map(({ pid, parent, uid, command }) => ({ pid, parentPid: parent, user: String(uid), command }));
  }

  /** The first IPv4 address that is not the guest's own alone. */
  async address(): Promise<string | undefined> {
    const { interfaces } = await this.#ask((agent) => agent.network());
    const addresses = interfaces.filter(({ name }) => name !== 'lo').flatMap((each) => each.addresses);
    return addresses.map((address) => address.split('/')[0]).find((address) => address?.includes('.'));
  }

  async configureOverlay(config: OverlayConfig): Promise<void> {
    const { gateway } = await this.#ask((agent) => agent.network());
    await this.#ask((agent) => agent.configureOverlay(overlaySettings(config, gateway)));
  }

  async archiveGet(path: string, options: Cancellable): Promise<Readable> {
    return (await this.#ask((agent) => agent.archiveGet(path, options)).catch(noSuchPath)).archive;
  }

  async archivePut(path: string, archive: AsyncIterable<Uint8Array>, options: Cancellable): Promise<void> {
    const { mode } = await this.archiveHead(path);
    const type = mode & FILE_TYPE;
    // What a link leads to only the guest knows.
    if (type !== DIRECTORY && type !== LINK) throw new ConflictError(`${path} is no directory`, { subject: path });
    await this.#ask((agent) => agent.archivePut(path, archive, { ...options, keepOwners: true })).catch((error) => {
      // The agent speaks of the archive's entries.
      if (!(error instanceof AgentError)) throw error;
      throw new ZlayerError(error.code, `cannot unpack in ${path}: ${error.message}`, { subject: path, cause: error });
    });
  }

  async archiveHead(path: string): Promise<FileStatus> {
    const info = await this.#ask((agent) => agent.archiveHead(path)).catch(noSuchPath);
    const { name, bytes, mode, modifiedUnixMicros, linkTarget } = info;
    const modifiedAt = new Date(Number(modifiedUnixMicros / 1000n));
    return { name, size: bytes, mode, modifiedAt, ...(linkTarget === null ? {} : { linkTarget }) };
  }

  async #execute(
    command: readonly string[],
    { env, cwd, user, tty, stdin, signal }: StreamingExecOptions & { stdin: boolean },
  ): Promise<AgentProcess | NotStarted> {
    const common = executeSpec(this.#record);
    const spec: ExecuteSpec = {
      ...common,
      argv: [...command],
      env: [...new Map([...common.env, ...Object.entries(env ?? {})])],
      cwd: cwd ?? common.cwd,
      user: user ?? common.user,
      tty: tty ?? null,
      stdin,
    };
    try {
      return await this.#ask((agent) => agent.execute(spec, { signal }));
    } catch (error) {
      return notStarted(error, command);
    }
  }

  /** A guest that has just gone is a container that does not run. */
  async #ask<T>(call: (agent: Machine['agent']) => Promise<T>): Promise<T> {
    const { vm, agent } = this.machine;
    try {
      return await call(agent);
    } catch (error) {
      const isLost = error instanceof AgentError && (error.kind === 'lost' || error.kind === 'gone');
      if (vm.state === 'paused') throw new ConflictError(`container ${this.#name} is paused`, { subject: this.#name });
      if (isLost) throw gone(this.#name, error);
      throw error;
    }
  }

  get #name(): string {
    return formatContainerId(this.#record.id);
  }
}

/** A path that cannot be, such as one below a file, is one that is not there. */
function noSuchPath(error: unknown): never {
  if (!(error instanceof AgentError) || error.kind !== 'invalid') throw error;
  throw new NotFoundError(error.message, { subject: error.subject, cause: error });
}

/** Datagrams that are carried one by one, or lost. */
function datagramChannel(datagrams: Datagrams): DatagramChannel {
  let onMessage: (data: Uint8Array) => void = () => {};
  const { promise, resolve } = Promise.withResolvers<void>();
  const receive = async (): Promise<void> => {
    for await (const data of datagrams) onMessage(data);
  };
  return {
    send: (data) => {
      datagrams.send(data).catch(() => {});
    },
    onMessage: (listener) => {
      onMessage = listener;
      void receive()
        .catch(() => {})
        .then(resolve);
    },
    onClose: (listener) => {
      void promise.then(listener);
    },
    close: () => datagrams.close(),
  };
}
