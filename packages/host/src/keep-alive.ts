const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Keeps the Node program alive while a promise is pending that rests on unreferenced handles alone. */
export async function keepAlive<T>(pending: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, LONGEST_TIMER_MS);
  try {
    return await pending;
  } finally {
    clearInterval(timer);
  }
}
