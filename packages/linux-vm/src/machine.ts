import type { Duplex } from 'node:stream';
import type { Vm, VmConfig, VmDriver } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';
import { CONTROL_PORT, type MessageOf } from '@zlayer/vzagent-proto';
import { AgentSession } from './agent-session.ts';
import { consoleTail } from './console-tail.ts';

/** Where the agent announces itself once it listens, so that nobody has to keep asking. */
export const READY_PORT = 1025;

export interface StartOptions {
  signal: AbortSignal;
  /** How long the guest may take until its agent answers, and again until the workload runs. */
  timeoutMs: number;
  /** Whether input will be written to the workload. */
  openStdin: boolean;
}

export interface StartedWorkload {
  vm: Vm;
  session: AgentSession;
  /** Milliseconds until the agent called, until the control connection stood, and until the workload ran. */
  stages: { boot: number; agent: number; workload: number };
}

/** Boots a machine and starts a workload in it. When that fails, the machine is gone and the error says why. */
export async function startWorkload(
  driver: VmDriver,
  config: VmConfig,
  request: MessageOf<'Run'>,
  options: StartOptions,
): Promise<StartedWorkload> {
  const began = performance.now();
  const vm = await boot(driver, config, options);
  const booted = performance.now();
  let session: AgentSession | undefined;
  try {
    session = new AgentSession(await vm.connect(CONTROL_PORT, { signal: options.signal }));
    const connected = performance.now();
    await within(options, 'start the workload', Promise.race([session.run(request, options), endOf(vm)]));
    const stages = { boot: booted - began, agent: connected - booted, workload: performance.now() - connected };
    return { vm, session, stages };
  } catch (error) {
    session?.[Symbol.dispose]();
    await vm.kill().catch(() => {});
    // The agent's refusal explains itself; everything else needs the console.
    const isRefusal = error instanceof ZlayerError && error.code === 'START_FAILED';
    throw isRefusal || options.signal.aborted ? error : await explained(error, config);
  }
}

async function boot(driver: VmDriver, config: VmConfig, options: StartOptions): Promise<Vm> {
  const ready = Promise.withResolvers<void>();
  const onCall = (call: Duplex): void => {
    call.once('data', () => {
      call.destroy();
      ready.resolve();
    });
  };
  const vm = await driver.launch(config, { signal: options.signal, listen: new Map([[READY_PORT, onCall]]) });
  try {
    await within(options, 'boot', Promise.race([ready.promise, endOf(vm)]));
    return vm;
  } catch (error) {
    await vm.kill().catch(() => {});
    throw options.signal.aborted ? error : await explained(error, config);
  }
}

/** Never resolves: a machine that ends before its workload runs has failed. */
async function endOf(vm: Vm): Promise<never> {
  const exit = await vm.exited;
  throw new ZlayerError('INTERNAL', `the virtual machine ended while it started: ${exit.message}`);
}

/** Bounds work that cannot be interrupted itself by time and by the caller's signal. */
async function within<T>({ signal, timeoutMs }: StartOptions, what: string, work: Promise<T>): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const abort = (): void => stopped.reject(signal.reason);
  const timer = setTimeout(() => {
    stopped.reject(new ZlayerError('TIMEOUT', `the guest took longer than ${timeoutMs / 1000} s to ${what}`));
  }, timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function explained(error: unknown, { consoleFile }: VmConfig): Promise<ZlayerError> {
  const { message } = error as Error;
  const lastWords = await consoleTail(consoleFile);
  const text = lastWords ? `${message}\nLast lines of the guest's console:\n${lastWords}` : message;
  const remedy = error instanceof ZlayerError ? error.remedy : undefined;
  return new ZlayerError('START_FAILED', text, { subject: consoleFile, cause: error, remedy });
}
