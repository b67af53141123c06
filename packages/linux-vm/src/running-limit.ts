import { withFileLock } from '@zlayer/host';
import {
  type Cancellable,
  ConflictError,
  type ContainerId,
  type ContainerSummary,
  formatContainerId,
  isActive,
} from '@zlayer/runtime-core';

export interface RunningLimitOptions extends Cancellable {
  /** Held by whoever decides, of all processes. */
  lockFile: string;
  /** How many may run at once; `undefined`: as many as fit. */
  limit: number | undefined;
  /** Who wants to run. */
  id: ContainerId;
  /** All containers, of this process and of others, as they are at the moment. */
  list(): Promise<Pick<ContainerSummary, 'id' | 'state'>[]>;
}

/**
 * Lets a container begin to run, unless too many do. `begin` is to put on record that it runs, for all other processes to
 * see: from then on it counts.
 *
 * @throws ZlayerError `CONFLICT` that names the containers that run; nothing has begun then.
 */
export async function withinRunningLimit(
  { lockFile, limit, id, list, signal }: RunningLimitOptions,
  begin: () => Promise<void>,
): Promise<void> {
  if (limit === undefined) return await begin();
  const admit = async (): Promise<void> => {
    const name = formatContainerId(id);
    const others = (await list())
      .filter(({ state }) => isActive(state.status))
      .map((container) => formatContainerId(container.id))
      .filter((other) => other !== name);
    if (others.length < limit) return await begin();
    const machines = limit === 1 ? 'one virtual machine' : `${limit} virtual machines`;
    throw new ConflictError(
      `${name} cannot be started: ${machines} may run at once here, and ${others.join(', ')} do`,
      {
        subject: name,
        remedy: 'Stop one of them first.',
      },
    );
  };
  await withFileLock(lockFile, admit, { signal });
}
