import {
  type ContainerId,
  type ContainerSummary,
  containerIdSchema,
  formatContainerId,
  type Runtime,
  ZlayerError,
} from '@zlayer/runtime-core';

/**
 * The container that a user means: by its id `web-0`, by the service alone, which is its replica 0, or by the beginning of
 * its instance id. What it gives names that very instance.
 *
 * @throws ZlayerError `NOT_FOUND`, or `INVALID_SPEC` when the beginning fits several.
 */
export async function resolveContainer(runtime: Runtime, name: string): Promise<ContainerSummary> {
  return findContainer(await runtime.listContainers(), name);
}

/** The same among given ones. */
export function findContainer(all: readonly ContainerSummary[], name: string): ContainerSummary {
  const exact = all.find(({ id }) => formatContainerId(id) === name);
  const found = exact ?? all.find(({ id }) => formatContainerId(id) === `${name}-0`);
  if (found) return found;
  const [first, ...others] = name === '' ? [] : all.filter(({ instance }) => instance.startsWith(name));
  if (first && others.length === 0) return first;
  if (first) {
    throw new ZlayerError('INVALID_SPEC', `${name} is the beginning of ${others.length + 1} containers`, {
      subject: name,
      remedy: 'Write more of it.',
    });
  }
  throw new ZlayerError('NOT_FOUND', `there is no container ${name}`, {
    subject: name,
    remedy: 'See "zlayer ps --all" for those that there are.',
  });
}

/** The id of a container that gets a name: `web-2` is replica 2 of `web`, any other name is replica 0 of its own. */
export function idOfName(name: string): ContainerId {
  const match = /^(.{1,63})-(0|[1-9]\d{0,9})$/.exec(name);
  const id = containerIdSchema.safeParse({ service: match?.[1] ?? name, replica: Number(match?.[2] ?? 0) });
  if (id.success) return id.data;
  throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(name)} is not a name for a container`, {
    subject: name,
    remedy: id.error.issues.map(({ message }) => message).join('; '),
  });
}
