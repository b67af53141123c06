/** A stream that is not there yet. Ending it before it was read ends the source, which a generator would not do. */
export function deferredStream<T>(opened: Promise<AsyncIterable<T>>): AsyncIterable<T> {
  // The failure is told to whoever reads.
  opened.catch(() => {});
  return {
    [Symbol.asyncIterator]() {
      const source = opened.then((stream) => stream[Symbol.asyncIterator]());
      source.catch(() => {});
      return {
        next: async () => (await source).next(),
        return: async () => {
          await (await source).return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
