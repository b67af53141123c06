import { type Supervisor, serveSupervisor } from '@zlayer/host';
import { isActive, type Runtime } from '@zlayer/runtime-core';
import { isAtWork } from './runtime-protocol.ts';
import { RuntimeServer } from './runtime-server.ts';

export interface SuperviseOptions {
  dataDirectory: string;
  version: string;
  /** Makes the runtime of a name over the data directory. */
  open(name: string): Promise<Runtime>;
  /** Runtimes whose containers are adopted at once. */
  adopt: readonly string[];
  /** How long it stays with nothing to do, in milliseconds. Default: 10 000. */
  idleMs?: number | undefined;
}

/** Owns the containers of a data directory until nothing of them runs and nobody asks for them. */
export async function supervise(options: SuperviseOptions): Promise<Supervisor> {
  const { dataDirectory, version, open, adopt, idleMs } = options;
  const runtimes = new Map<string, Promise<Runtime>>();
  const atWork = new Set<string>();
  const take = (name: string): Promise<Runtime> => {
    const opened = runtimes.get(name) ?? openAndAdopt(name);
    runtimes.set(name, opened);
    opened.catch(() => runtimes.delete(name));
    return opened;
  };
  const openAndAdopt = async (name: string): Promise<Runtime> => {
    const runtime = await open(name);
    watch(runtime, atWork, () => supervisor?.checkIdle());
    if (runtime.capabilities().containers.recover) {
      for (const { instance, state } of await runtime.recover()) if (isActive(state.status)) atWork.add(instance);
    }
    return runtime;
  };
  const server = new RuntimeServer(take);
  let supervisor: Supervisor | undefined;
  supervisor = await serveSupervisor({
    dataDirectory,
    version,
    handle: (request) => server.handle(request),
    isBusy: () => atWork.size > 0,
    idleMs,
  });
  // One that cannot be opened here has its reasons told to whoever asks for it.
  await Promise.allSettled(adopt.map(take));
  const finished = supervisor.finished.then(async () => {
    const opened = await Promise.allSettled(runtimes.values());
    await Promise.all(opened.map((result) => (result.status === 'fulfilled' ? result.value.close() : undefined)));
  });
  return { finished, checkIdle: () => supervisor.checkIdle(), close: () => supervisor.close() };
}

/** Keeps in mind which containers need their owner. */
function watch(runtime: Runtime, atWork: Set<string>, onChange: () => void): void {
  const read = async (): Promise<void> => {
    for await (const event of runtime.events({ own: true })) {
      const { instance } = event.container;
      if (isAtWork(event, atWork.has(instance))) atWork.add(instance);
      else if (atWork.delete(instance)) onChange();
    }
  };
  // It ends when the runtime is closed; a reader that is too slow starts anew.
  read().catch(() => watch(runtime, atWork, onChange));
}
