import { ZlayerError } from '@zlayer/runtime-core';

/** Marks the forms of what JSON has no form for. */
const TAG = '$';
const MAX_DEPTH = 64;

/** A value as JSON can hold it: bytes, dates, large integers and `undefined` keep their kinds. */
export function toWire(value: unknown): unknown {
  if (value === undefined) return { [TAG]: 'undefined' };
  if (typeof value === 'bigint') return { [TAG]: 'bigint', value: String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return { [TAG]: 'date', value: value.getTime() };
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { [TAG]: 'bytes', value: bytes.toString('base64') };
  }
  if (Array.isArray(value)) return value.map(toWire);
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, toWire(item)]);
  return Object.hasOwn(value, TAG) ? { [TAG]: 'entries', value: entries } : Object.fromEntries(entries);
}

/**
 * Reads what {@link toWire} wrote.
 *
 * @throws ZlayerError `INVALID_SPEC` for what it cannot have written.
 */
export function fromWire(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) throw malformed('it is too deep');
  const inner = (item: unknown): unknown => fromWire(item, depth + 1);
  if (Array.isArray(value)) return value.map(inner);
  if (Object.hasOwn(value, TAG)) return tagged(value as Record<string, unknown>, inner);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item)]));
}

function tagged({ [TAG]: tag, value }: Record<string, unknown>, inner: (item: unknown) => unknown): unknown {
  if (tag === 'undefined') return undefined;
  if (tag === 'bigint' && typeof value === 'string' && /^-?\d{1,64}$/.test(value)) return BigInt(value);
  if (tag === 'date' && typeof value === 'number') return new Date(value);
  if (tag === 'bytes' && typeof value === 'string') return Uint8Array.from(Buffer.from(value, 'base64'));
  if (tag === 'entries' && Array.isArray(value) && value.every(isEntry)) {
    return Object.fromEntries(value.map(([key, item]) => [key, inner(item)]));
  }
  throw malformed('it has an unknown form');
}

function isEntry(value: unknown): value is [string, unknown] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string';
}

function malformed(why: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `what was received is no value of this protocol: ${why}`);
}
