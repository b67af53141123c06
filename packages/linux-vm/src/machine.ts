import type { Duplex } from 'node:stream';
import type { Vm, VmConfig, VmDriver } from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';
import { AgentClient, CONTROL_PORT } from '@zlayer/vzagent-proto';
import { consoleTail } from './console-tail.ts';

/** Where the agent announces itself once it listens, so that nobody has to keep asking. */
export const READY_PORT = 1025;

/** A virtual machine and the agent in it. */
export interface Machine {
  vm: Vm;
  agent: AgentClient;
}

export interface BootOptions {
  signal: AbortSignal;
  /** How long the guest may take until its agent answers. */
  timeoutMs: number;
}

/** The agent of a machine. */
export function agentOf(vm: Vm): AgentClient {
  return new AgentClient(({ signal }) => vm.connect(CONTROL_PORT, { signal }));
}

/**
 * Boots a machine until its agent answers. When that fails, the machine is gone and the error says why.
 *
 * @returns also the milliseconds until the agent called, and until it had answered.
 */
export async function bootMachine(
  driver: VmDriver,
  config: VmConfig,
  options: BootOptions,
): Promise<Machine & { stages: { boot: number; agent: number } }> {
  const began = performance.now();
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
    const booted = performance.now();
    const agent = agentOf(vm);
    // Its clock knows the second of the launch alone.
    await Promise.race([agent.setClock(Date.now() * 1000, { signal: options.signal }), endOf(vm)]);
    return { vm, agent, stages: { boot: booted - began, agent: performance.now() - booted } };
  } catch (error) {
    await vm.kill().catch(() => {});
    throw options.signal.aborted ? error : await explained(error, config.consoleFile);
  }
}

/** Never resolves: a machine that ends before its workload runs has failed. */
export async function endOf(vm: Vm): Promise<never> {
  const exit = await vm.exited;
  throw new ZlayerError('INTERNAL', `the virtual machine ended while it started: ${exit.message}`);
}

/** An error of a start, with what the guest said last. */
export async function explained(error: unknown, consoleFile: string): Promise<ZlayerError> {
  const { message } = error as Error;
  const lastWords = await consoleTail(consoleFile);
  const text = lastWords ? `${message}\nLast lines of the guest's console:\n${lastWords}` : message;
  const remedy = error instanceof ZlayerError ? error.remedy : undefined;
  return new ZlayerError('START_FAILED', text, { subject: consoleFile, cause: error, remedy });
}

/** Bounds work that cannot be interrupted itself by time and by the caller's signal. */
async function within<T>({ signal, timeoutMs }: BootOptions, what: string, work: Promise<T>): Promise<T> {
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
