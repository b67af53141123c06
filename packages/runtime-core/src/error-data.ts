/** An error as plain data, which survives JSON and structured cloning. */
export interface ErrorData {
  /** The name of its class. */
  name: string;
  message: string;
  /** One of the `ERROR_CODES` for a `ZlayerError`; for a system error in a chain of causes, such as `ENOENT`. */
  code?: string;
  subject?: string;
  remedy?: string;
  stack?: string;
  /** What a subclass adds to its errors, as far as JSON can hold it. */
  details?: Record<string, unknown>;
  cause?: ErrorData;
}

/** Longer chains are cut: they come from a loop, or from somebody who wants to exhaust the stack. */
export const MAX_CAUSES = 16;

/** Details go no deeper than this. */
const MAX_DETAIL_DEPTH = 8;

/** The properties of errors that are no details. */
export const ERROR_PROPERTIES: ReadonlySet<string> = new Set([
  'name',
  'message',
  'code',
  'subject',
  'remedy',
  'stack',
  'details',
  'cause',
]);

/** Describes an error and its causes. What was thrown and is no error becomes the message of one. */
export function serializeError(error: unknown, depth = 0): ErrorData {
  if (!(error instanceof Error)) return { name: 'Error', message: textOf(error) };
  const data: ErrorData = { name: error.name, message: error.message };
  const { code, subject, remedy } = error as { code?: unknown; subject?: unknown; remedy?: unknown };
  if (typeof code === 'string') data.code = code;
  if (typeof subject === 'string') data.subject = subject;
  if (typeof remedy === 'string') data.remedy = remedy;
  if (typeof error.stack === 'string') data.stack = error.stack;
  const details = detailsOf(error);
  if (Object.keys(details).length > 0) data.details = details;
  if (error.cause !== undefined && depth < MAX_CAUSES) data.cause = serializeError(error.cause, depth + 1);
  return data;
}

function detailsOf(error: Error): Record<string, unknown> {
  const own = Object.entries(error).filter(([key]) => !ERROR_PROPERTIES.has(key));
  return plainObject(own, [error]);
}

/** The part of a value that JSON can hold: no functions, bytes or errors, and nothing that contains itself. */
function plain(value: unknown, ancestors: readonly object[]): unknown {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === null) return null;
  if (typeof value !== 'object' || ancestors.includes(value) || ancestors.length > MAX_DETAIL_DEPTH) return undefined;
  const path = [...ancestors, value];
  if (Array.isArray(value)) return value.map((item) => plain(item, path) ?? null);
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? plainObject(Object.entries(value), path) : undefined;
}

function plainObject(entries: readonly [string, unknown][], path: readonly object[]): Record<string, unknown> {
  const kept = entries.map(([key, value]) => [key, plain(value, path)] as const);
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined));
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
