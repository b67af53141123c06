import { isUint8Array } from 'node:util/types';
import { MAX_FRAME_LENGTH } from './limits.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Reader } from './reader.ts';
import type { Fields, FieldType, ScalarType } from './schema.ts';
import { utf8Size, varint53Size, varint64Size, varintSize, type Writer } from './writer.ts';

/** How values of one schema type cross the wire. */
export interface Codec<T> {
  /** The bytes that the value takes. Throws `ProtocolError` unless it is a `T` that fits: `write` relies on that. */
  size(value: unknown): number;
  write(out: Writer, value: T): void;
  read(input: Reader): T;
}

/** The codec of a type; `field` is what errors call the value. */
export function codecOf(type: FieldType, field: string): Codec<unknown> {
  if (typeof type === 'string') return scalars[type](field);
  if ('option' in type) return option(codecOf(type.option, field), field);
  if ('list' in type) return list(codecOf(type.list, `${field}[]`), field);
  if ('tuple' in type) {
    return tuple(
      type.tuple.map((element, index) => codecOf(element, `${field}[${index}]`)),
      field,
    );
  }
  if ('enum' in type) return variant(type.variants, field);
  return struct(type.fields, field);
}

const scalars: { [S in ScalarType]: (field: string) => Codec<unknown> } = {
  bool: (field) => ({
    size: (value) => (typeof value === 'boolean' ? 1 : badType(field, 'a boolean', value)),
    write: (out, value) => out.byte(value === true ? 1 : 0),
    read: (input) => marker(input, 'BAD_BOOL', field),
  }),
  u8: (field) => ({
    size(value) {
      integer(field, value, 0, 0xff);
      return 1;
    },
    write: (out, value: number) => out.byte(value),
    read: (input) => input.byte(field),
  }),
  u16: (field) => unsigned(field, 3, 0xffff),
  u32: (field) => unsigned(field, 5, 0xffff_ffff),
  u53,
  i32,
  u64,
  i64,
  string,
  bytes,
};

function unsigned(field: string, maxBytes: number, max: number): Codec<number> {
  return {
    size: (value) => varintSize(integer(field, value, 0, max)),
    write: (out, value) => out.varint(value),
    read: (input) => input.varint(field, maxBytes, max),
  };
}

function u53(field: string): Codec<number> {
  return {
    size: (value) => varint53Size(integer(field, value, 0, Number.MAX_SAFE_INTEGER)),
    write: (out, value) => out.varint53(value),
    read: (input) => input.varint(field, 10, Number.MAX_SAFE_INTEGER),
  };
}

function i32(field: string): Codec<number> {
  const zigZag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0;
  return {
    size: (value) => varintSize(zigZag(integer(field, value, -0x8000_0000, 0x7fff_ffff))),
    write: (out, value) => out.varint(zigZag(value)),
    read(input) {
      const value = input.varint(field, 5, 0xffff_ffff);
      return (value >>> 1) ^ -(value & 1);
    },
  };
}

function u64(field: string): Codec<bigint> {
  return {
    size: (value) => varint64Size(bigInteger(field, value, 0n, 2n ** 64n - 1n)),
    write: (out, value) => out.varint64(value),
    read: (input) => input.varint64(field),
  };
}

function i64(field: string): Codec<bigint> {
  const zigZag = (value: bigint): bigint => (value << 1n) ^ (value >> 63n);
  return {
    size: (value) => varint64Size(BigInt.asUintN(64, zigZag(bigInteger(field, value, -(2n ** 63n), 2n ** 63n - 1n)))),
    write: (out, value) => out.varint64(BigInt.asUintN(64, zigZag(value))),
    read(input) {
      const value = input.varint64(field);
      return (value >> 1n) ^ -(value & 1n);
    },
  };
}

function string(field: string): Codec<string> {
  return {
    size(value) {
      if (typeof value !== 'string') return badType(field, 'a string', value);
      // Looked at first, so that a giant string costs nothing.
      if (value.length > MAX_FRAME_LENGTH) {
        throw new ProtocolError('FRAME_TOO_LARGE', `${field}: a string of ${value.length} does not fit in a frame`);
      }
      const size = utf8Size(value);
      if (size < 0) throw new ProtocolError('BAD_UTF8', `${field}: the string has a lone surrogate`);
      return varintSize(size) + size;
    },
    write: (out, value) => out.string(value),
    read: (input) => input.string(field),
  };
}

function bytes(field: string): Codec<Uint8Array> {
  return {
    size: (value) =>
      isUint8Array(value) ? varintSize(value.length) + value.length : badType(field, 'a Uint8Array', value),
    write: (out, value) => out.byteVector(value),
    read: (input) => input.byteVector(field),
  };
}

/** A name of a fixed set: its index crosses. */
function variant(variants: readonly string[], field: string): Codec<string> {
  const indices = new Map(variants.map((name, index) => [name, index]));
  const indexOf = (value: unknown): number => {
    if (typeof value !== 'string') return badType(field, 'a string', value);
    const index = indices.get(value);
    if (index !== undefined) return index;
    throw new ProtocolError('BAD_VARIANT', `${field}: not one of ${variants.join(', ')}`);
  };
  return {
    size: (value) => varintSize(indexOf(value)),
    write: (out, value) => out.varint(indexOf(value)),
    read(input) {
      const before = input.remaining;
      const index = input.varint(field, 5, 0xffff_ffff);
      const name = variants[index];
      if (name !== undefined) return name;
      const message = `${field}: ${index} where an index below ${variants.length} belongs`;
      throw input.error('BAD_VARIANT', message, before - input.remaining);
    },
  };
}

function option(inner: Codec<unknown>, field: string): Codec<unknown> {
  return {
    size: (value) => (value === null ? 1 : 1 + inner.size(value)),
    write(out, value) {
      out.byte(value === null ? 0 : 1);
      if (value !== null) inner.write(out, value);
    },
    read: (input) => (marker(input, 'BAD_OPTION', field) ? inner.read(input) : null),
  };
}

function list(element: Codec<unknown>, field: string): Codec<readonly unknown[]> {
  return {
    size(value) {
      if (!Array.isArray(value)) return badType(field, 'an array', value);
      let sum = varintSize(value.length);
      // Not reduce(), which passes over the holes of a sparse array.
      for (const item of value) sum += element.size(item);
      return sum;
    },
    write(out, value) {
      out.varint(value.length);
      for (const item of value) element.write(out, item);
    },
    read(input) {
      const count = input.length(field);
      const items: unknown[] = [];
      while (items.length < count) items.push(element.read(input));
      return items;
    },
  };
}

function tuple(elements: readonly Codec<unknown>[], field: string): Codec<readonly unknown[]> {
  return {
    size(value) {
      if (!Array.isArray(value) || value.length !== elements.length) {
        return badType(field, `an array of ${elements.length}`, value);
      }
      return elements.reduce((sum, element, index) => sum + element.size(value[index]), 0);
    },
    write(out, value) {
      for (const [index, element] of elements.entries()) element.write(out, value[index]);
    },
    read: (input) => elements.map((element) => element.read(input)),
  };
}

/**
 * The codec of an object with the given fields; what else the object has is ignored. Objects that are read have what is
 * `constant` as well.
 */
export function struct(
  fields: Fields,
  field: string,
  constant: Record<string, unknown> = {},
): Codec<Record<string, unknown>> {
  const members = Object.entries(fields).map(([name, type]) => ({ name, codec: codecOf(type, `${field}.${name}`) }));
  // A copy of an object that has all members from the start is made quicker than one that grows.
  const blank = { ...constant, ...Object.fromEntries(members.map(({ name }) => [name, undefined])) };
  return {
    size(value) {
      if (!isRecord(value)) return badType(field, 'an object', value);
      let sum = 0;
      for (const { name, codec } of members) sum += codec.size(value[name]);
      return sum;
    },
    write(out, value) {
      for (const { name, codec } of members) codec.write(out, value[name]);
    },
    read(input) {
      const value: Record<string, unknown> = { ...blank };
      for (const { name, codec } of members) value[name] = codec.read(input);
      return value;
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function marker(input: Reader, code: 'BAD_BOOL' | 'BAD_OPTION', field: string): boolean {
  const value = input.byte(field);
  if (value > 1) throw input.error(code, `${field}: ${value} where 0 or 1 belongs`, 1);
  return value === 1;
}

function integer(field: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') return badType(field, 'a number', value);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ProtocolError('OUT_OF_RANGE', `${field}: ${value} is not an integer from ${min} to ${max}`);
}

function bigInteger(field: string, value: unknown, min: bigint, max: bigint): bigint {
  if (typeof value !== 'bigint') return badType(field, 'a bigint', value);
  if (value >= min && value <= max) return value;
  throw new ProtocolError('OUT_OF_RANGE', `${field}: the integer is not from ${min} to ${max}`);
}

function badType(field: string, wanted: string, value: unknown): never {
  const got = value === null ? 'null' : Array.isArray(value) ? `an array of ${value.length}` : typeof value;
  throw new ProtocolError('BAD_TYPE', `${field}: ${got} where ${wanted} belongs`);
}
