/**
 * Opens a stream now, and tells what goes wrong about that to whoever reads it. For authors of runtimes: a call that
 * gives an `AsyncIterable` never throws itself.
 */
export function deferErrors<T>(open: () => AsyncIterable<T>): AsyncIterable<T> {
  try {
    return open();
  } catch (error) {
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
  }
}
