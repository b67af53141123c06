import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RuntimeCapabilities } from '../capabilities.ts';
import type { ContainerId } from '../container-id.ts';
import type { ExitResult } from '../container-state.ts';
import type { Runtime } from '../runtime.ts';
import type { ServiceSpecInput } from '../service-spec.ts';
import type { ConformanceImageReferences } from './conformance-options.ts';
import { CONFORMANCE_SCRIPTS, type ConformanceScript } from './conformance-scripts.ts';
import type { EventRecord } from './event-record.ts';
import { OutputRecord } from './output-record.ts';

/** The suite's runtime with what all tests share. */
export interface Laboratory {
  runtime: Runtime;
  capabilities: RuntimeCapabilities;
  images: ConformanceImageReferences;
  events: EventRecord;
  reopen: (() => Promise<Runtime>) | undefined;
  leftovers: ((instance: string) => Promise<string[]>) | undefined;
  slow: boolean;
  silenceMs: number;
  /** Every instance that a test has created. */
  instances: Set<string>;
}

/** A container that a test has created. */
export type Subject = ContainerId & { instance: string };

/** A container that has run to its end. */
export interface Run {
  container: Subject;
  output: OutputRecord;
  result: ExitResult;
}

type SpecExtras = Partial<ServiceSpecInput> & { args?: readonly string[] };

const PREFIX = `conformance-${randomBytes(3).toString('hex')}`;
let count = 0;

/** Where a test works: it makes containers of its own here, and they are removed when it is over. */
export class Bench {
  readonly lab: Laboratory;
  /** Aborted when the test has run out of time. */
  readonly signal: AbortSignal;
  readonly #ids: ContainerId[] = [];
  readonly #directories: string[] = [];

  constructor(lab: Laboratory, signal: AbortSignal) {
    this.lab = lab;
    this.signal = signal;
  }

  get runtime(): Runtime {
    return this.lab.runtime;
  }

  /** An id that nobody has used; a container under it is removed after the test. */
  id(): ContainerId {
    count += 1;
    const id = { service: `${PREFIX}-${count}`, replica: 0 };
    this.#ids.push(id);
    return id;
  }

  /** A spec that runs a script in the shell image. `args` are its `$1`, `$2`, … */
  shell(script: ConformanceScript, { args = [], ...extras }: SpecExtras = {}): ServiceSpecInput {
    return { image: this.lab.images.shell, command: { args: shellCommand(script, args) }, ...extras };
  }

  async create(spec: ServiceSpecInput, id: ContainerId = this.id()): Promise<Subject> {
    const { instance } = await this.runtime.createContainer(id, spec, { signal: this.signal });
    this.lab.instances.add(instance);
    return { ...id, instance };
  }

  /** Creates and starts a container; its output is recorded from its first byte on. */
  async start(spec: ServiceSpecInput): Promise<{ container: Subject; output: OutputRecord }> {
    const container = await this.create(spec);
    const output = new OutputRecord(this.runtime.attachContainer(container, { signal: this.signal }));
    await this.runtime.startContainer(container, { signal: this.signal });
    return { container, output };
  }

  /** Creates a container and runs it to its end. */
  async run(spec: ServiceSpecInput): Promise<Run> {
    const { container, output } = await this.start(spec);
    const result = await this.runtime.waitContainer(container, { signal: this.signal });
    await output.ended;
    return { container, output, result };
  }

  /** A container that has run to its end, once more. Its output of this run. */
  async rerun(container: Subject): Promise<OutputRecord> {
    const output = new OutputRecord(this.runtime.attachContainer(container, { signal: this.signal }));
    const exit = this.runtime.waitContainer(container, { condition: 'next-exit', signal: this.signal });
    await this.runtime.startContainer(container, { signal: this.signal });
    await exit;
    await output.ended;
    return output;
  }

  /** An empty directory of this machine, until the test is over. */
  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'zlayer-conformance-'));
    this.#directories.push(path);
    return path;
  }

  /** Removes what the test has left. */
  async clear(): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.#ids.splice(0).map((id) => this.runtime.removeContainer(id, { force: true })),
    );
    await Promise.all(this.#directories.splice(0).map((path) => rm(path, { recursive: true, force: true })));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw new Error('a container could not be removed after its test', { cause: failed.reason });
  }
}

/** A script of the suite as a command. `args` are its `$1`, `$2`, … */
export function shellCommand(script: ConformanceScript, args: readonly string[] = []): string[] {
  return ['/bin/sh', '-c', CONFORMANCE_SCRIPTS[script], 'sh', ...args];
}
