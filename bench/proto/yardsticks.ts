import { Packr } from 'msgpackr';
import protobuf from 'protobufjs';
import type { Message } from '../../packages/vzagent-proto/src/index.ts';
import { type Fields, type FieldType, SCHEMA } from '../../packages/vzagent-proto/src/schema.ts';

/** Another way to make bytes of the same messages. */
export interface Yardstick {
  /** The message as this library likes it best; not measured. */
  prepare(message: Message): object;
  encode(message: object): Uint8Array;
  decode(bytes: Uint8Array): object;
}

/** JSON text with base64 for bytes. */
const json: Yardstick = {
  prepare: (message) => plain(message),
  encode: (message) =>
    Buffer.from(
      JSON.stringify('data' in message ? { ...message, data: (message.data as Buffer).toString('base64') } : message),
    ),
  decode(bytes) {
    const message = JSON.parse(bytes.toString());
    if ('data' in message) message.data = Buffer.from(message.data, 'base64');
    return message;
  },
};

const packr = new Packr({ structures: [] });

/** MessagePack with shared structures, which is how it is quickest. */
const msgpackr: Yardstick = {
  prepare: (message) => plain(message),
  encode: (message) => packr.pack(message),
  decode: (bytes) => packr.unpack(bytes),
};

/** What the scalars are called in Protocol Buffers. */
const SCALARS = {
  bool: 'bool',
  u8: 'uint32',
  u16: 'uint32',
  u32: 'uint32',
  u53: 'uint64',
  u64: 'uint64',
  i32: 'sint32',
  i64: 'sint64',
  string: 'string',
  bytes: 'bytes',
} as const;

const frame = frameType();

/** Protocol Buffers: one type of frame that has one of the messages; enums by number, as protobufjs wants them. */
const protobufjs: Yardstick = {
  prepare: ({ type, ...fields }) => frame.fromObject({ [type]: lists(plain(fields)) }),
  encode: (message) => frame.encode(message).finish(),
  decode: (bytes) => frame.decode(bytes),
};

export const YARDSTICKS: { readonly [name: string]: Yardstick } = { json, msgpackr, protobufjs };

/** Bytes as Buffers, which every library knows, and no bigint, which only some do. */
function plain(value: unknown): object {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'bigint') return Number(value) as unknown as object;
  if (typeof value !== 'object' || value === null) return value as object;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** Pairs as objects, without what is absent: a protobuf has neither tuples nor null. */
function lists(value: unknown): unknown {
  if (Array.isArray(value) && typeof value[0] === 'object') {
    return value.map((item) => (Array.isArray(item) ? { first: item[0], second: item[1] } : lists(item)));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Buffer.isBuffer(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(entries.map(([key, inner]) => [key, lists(inner)]));
}

/** The schema once more, for protobufjs. */
function frameType(): protobuf.Type {
  const root = new protobuf.Root();
  const whole = new protobuf.Type('Frame');
  root.add(whole);
  for (const { tag, name, fields } of SCHEMA) {
    addType(root, `${name}Message`, fields);
    whole.add(new protobuf.Field(name, tag, `${name}Message`));
  }
  return root.resolveAll().lookupType('Frame');
}

function addType(root: protobuf.Root, name: string, fields: Fields): string {
  if (root.get(name) !== null) return name;
  const type = new protobuf.Type(name);
  root.add(type);
  for (const [index, [field, of]] of Object.entries(fields).entries()) {
    const rule = typeof of === 'object' && 'list' in of ? 'repeated' : undefined;
    const inner = typeof of === 'object' && 'list' in of ? of.list : of;
    type.add(new protobuf.Field(field, index + 1, typeName(root, inner), rule));
  }
  return name;
}

function typeName(root: protobuf.Root, type: FieldType): string {
  if (typeof type === 'string') return SCALARS[type];
  if ('option' in type) return typeName(root, type.option);
  if ('tuple' in type) return addType(root, 'Pair', { first: 'string', second: 'string' });
  if ('struct' in type) return addType(root, type.struct, type.fields);
  if ('list' in type) throw new Error('a list of lists');
  if (root.get(type.enum) === null) {
    const values = Object.fromEntries(type.variants.map((variant, index) => [variant, index]));
    root.add(new protobuf.Enum(type.enum, values));
  }
  return type.enum;
}
