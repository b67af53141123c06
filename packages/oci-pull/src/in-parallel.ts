/**
 * Does something with each item, a few at a time. The first failure ends the other work, which is waited for.
 *
 * @throws What the first failing action threw, or the signal's reason.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  signal: AbortSignal | undefined,
  action: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const both = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const queue = [...items];
  const work = async () => {
    for (let item = queue.shift(); item !== undefined && !both.aborted; item = queue.shift()) {
      try {
        await action(item, both);
      } catch (error) {
        failure.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  both.throwIfAborted();
}
