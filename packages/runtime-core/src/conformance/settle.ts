/** What became of a promise. */
export type Settled<T> = { value: T; error?: undefined } | { value?: undefined; error: unknown };

/** Waits for a promise and keeps its failure as a value, so that one observation does not hide the next. */
export async function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}
