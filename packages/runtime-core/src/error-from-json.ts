import { ERROR_PROPERTIES, MAX_CAUSES } from './error-data.ts';
import { ERROR_CLASSES, InternalError, isErrorCode, type ZlayerError } from './errors.ts';

/**
 * Makes an error of what `toJSON` gave: of the class that belongs to its code, with its causes, its stack and what its
 * own class had added. The name stays that of its own class.
 *
 * @throws ZlayerError `INTERNAL` when it is not the data of a `ZlayerError`.
 */
export function errorFromJSON(data: unknown): ZlayerError {
  const { code, message, subject, remedy, cause } = (data ?? {}) as Record<string, unknown>;
  if (!isErrorCode(code) || typeof message !== 'string') {
    throw new InternalError('what was received as an error is not the data of one');
  }
  return restoreProperties(
    new ERROR_CLASSES[code](message, { subject: text(subject), remedy: text(remedy), cause: causeFromJSON(cause, 1) }),
    data,
  );
}

function causeFromJSON(data: unknown, depth: number): Error | undefined {
  if (typeof data !== 'object' || data === null || depth > MAX_CAUSES) return undefined;
  const { code, message, subject, remedy, cause } = data as Record<string, unknown>;
  const options = { subject: text(subject), remedy: text(remedy), cause: causeFromJSON(cause, depth + 1) };
  const error = isErrorCode(code)
    ? new ERROR_CLASSES[code](text(message) ?? '', options)
    : new Error(text(message), options.cause && { cause: options.cause });
  if (typeof code === 'string' && !isErrorCode(code)) Object.assign(error, { code });
  return restoreProperties(error, data);
}

function restoreProperties<T extends Error>(error: T, data: unknown): T {
  const { name, stack, details } = data as Record<string, unknown>;
  const restore = (key: string, value: unknown, enumerable: boolean) =>
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
  if (typeof name === 'string' && name !== error.name) restore('name', name, false);
  // Where it is restored says nothing about where it happened.
  restore('stack', text(stack), false);
  if (typeof details === 'object' && details !== null) {
    for (const [key, value] of Object.entries(details)) {
      // Details come from another process: they add properties and replace none, such as `toString`.
      if (!ERROR_PROPERTIES.has(key) && !(key in error)) restore(key, value, true);
    }
  }
  return error;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
