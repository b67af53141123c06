import type { RuntimeCapabilities } from '../capabilities.ts';
import { type FakeImage, FakeRuntime, type FakeRuntimeOptions } from '../fake/index.ts';
import { ARCHITECTURES, type Architecture, type OperatingSystem } from '../platform.ts';
import type { ContainerSummary, Runtime } from '../runtime.ts';
import { CompositeRuntime } from './composite-runtime.ts';
import type { CompositeDelegate } from './delegate.ts';

export const OFF = { available: false, reason: 'it is switched off', remedy: 'Switch it on.' } as const;

/** Ends when it is told to. */
export const waiting: FakeImage = {
  programs: {
    wait: async ({ sleep, onSignal, exit }) => {
      onSignal('TERM', () => exit(0));
      for (;;) await sleep(60_000);
    },
  },
  command: ['wait'],
};

interface TestRuntimeOptions extends Partial<FakeRuntimeOptions> {
  architectures?: readonly Architecture[];
  /** Default: `linux`. */
  os?: OperatingSystem;
}

/** A fake runtime that runs the image `app`, and whatever a test changes about it. */
export class TestRuntime extends FakeRuntime {
  closed = false;
  /** What `recover` finds; by default it is not supported. */
  recovered: ContainerSummary[] | undefined;
  closeFailure: Error | undefined;
  listFailure: Error | undefined;
  availabilityCalls = 0;
  readonly #architectures: readonly Architecture[];

  readonly #os: OperatingSystem;

  constructor({ architectures = ARCHITECTURES, os = 'linux', ...options }: TestRuntimeOptions = {}) {
    super({ images: { app: waiting }, ...options });
    this.#architectures = architectures;
    this.#os = os;
  }

  override async availability(): ReturnType<FakeRuntime['availability']> {
    this.availabilityCalls++;
    return super.availability();
  }

  override capabilities(): RuntimeCapabilities {
    const platforms = this.#architectures.map((architecture) => ({ os: this.#os, architecture }));
    return { ...super.capabilities(), platforms };
  }

  override async listContainers(): Promise<ContainerSummary[]> {
    if (this.listFailure) throw this.listFailure;
    return super.listContainers();
  }

  override recover(): Promise<ContainerSummary[]> {
    return this.recovered ? Promise.resolve(this.recovered) : super.recover();
  }

  override async close(): Promise<void> {
    this.closed = true;
    await super.close();
    if (this.closeFailure) throw this.closeFailure;
  }
}

export interface TestHost {
  runtime: CompositeRuntime;
  vzLinux: TestRuntime;
  qemu: TestRuntime;
  vz: TestRuntime;
  sandbox: TestRuntime;
}

/** A host with a runtime of each kind. Seatbelt comes first: only the rules keep containers away from it. */
export function testHost(
  options: Partial<Record<'vzLinux' | 'qemu' | 'vz' | 'sandbox', TestRuntimeOptions>> = {},
): TestHost {
  const sandbox = new TestRuntime({ name: 'the-sandbox', ...options.sandbox });
  const vz = new TestRuntime({ name: 'the-vz', ...options.vz });
  const vzLinux = new TestRuntime({ name: 'the-vz-linux', ...options.vzLinux });
  const qemu = new TestRuntime({ name: 'the-qemu', ...options.qemu });
  const delegates: CompositeDelegate[] = [
    { runtime: sandbox, kind: 'seatbelt', isolation: ['sandbox'] },
    { runtime: vz, kind: 'macos-vm', isolation: ['vz'] },
    { runtime: vzLinux, kind: 'linux-vm', isolation: ['vz-linux'] },
    { runtime: qemu, kind: 'linux-vm', isolation: ['qemu'] },
  ];
  return { runtime: new CompositeRuntime({ delegates }), vzLinux, qemu, vz, sandbox };
}

export async function namesIn(runtime: Runtime): Promise<string[]> {
  return (await runtime.listContainers()).map(({ id }) => id.service);
}
