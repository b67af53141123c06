import fc from 'fast-check';
import type { Message } from '../message.ts';
import { type Fields, type FieldType, SCHEMA } from '../schema.ts';

const scalars = {
  bool: fc.boolean(),
  u8: fc.integer({ min: 0, max: 0xff }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  u32: fc.integer({ min: 0, max: 0xffff_ffff }),
  u53: fc.maxSafeNat(),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i32: fc.integer(),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  string: fc.string({ unit: 'binary', maxLength: 300 }),
  bytes: fc.uint8Array({ maxLength: 300 }),
};

/** A message of one kind, with whatever its fields may hold. */
function messageOf({ name, fields }: (typeof SCHEMA)[number]): fc.Arbitrary<Message> {
  return anyRecord({ type: fc.constant(name) }, fields).map((message) => message as unknown as Message);
}

/** Any message of the schema. */
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...SCHEMA.map(messageOf));

/** One message of every kind of the schema, in its order. */
export const everyMessage: fc.Arbitrary<Message[]> = fc.tuple(...SCHEMA.map(messageOf));

function anyRecord(more: Record<string, fc.Arbitrary<unknown>>, fields: Fields): fc.Arbitrary<Record<string, unknown>> {
  const values = Object.entries(fields).map(([name, type]) => [name, anyValue(type)] as const);
  return fc.record({ ...more, ...Object.fromEntries(values) }, { noNullPrototype: true });
}

function anyValue(type: FieldType): fc.Arbitrary<unknown> {
  if (typeof type === 'string') return scalars[type];
  if ('option' in type) return fc.option(anyValue(type.option));
  if ('list' in type) return fc.array(anyValue(type.list), { maxLength: 5 });
  if ('tuple' in type) return fc.tuple(...type.tuple.map(anyValue));
  if ('enum' in type) return fc.constantFrom(...type.variants);
  return anyRecord({}, type.fields);
}
