import { type Direction, discriminantOf, type Fields, type FieldType, type MessageSchema } from '../src/schema.ts';
import { constantCase, snakeCase } from './c-names.ts';

/** The schema as C sees it: everything in the order in which C has to read it. */
export interface CModel {
  readonly enums: readonly CEnum[];
  readonly optionals: readonly COptional[];
  /** Structs of fields, each after those that it is made of. */
  readonly structs: readonly CStruct[];
  readonly messages: readonly CMessage[];
}

export interface CEnum {
  readonly type: string;
  readonly constants: readonly string[];
}

/** A struct of `present` and `value`. */
export interface COptional {
  readonly type: string;
  readonly valueType: string;
}

export interface CStruct {
  /** With `struct` before it. */
  readonly type: string;
  readonly shape: string;
  readonly members: readonly CMember[];
  /** The messages whose lists it is an element of travel so. */
  readonly listed: Set<Direction>;
}

export interface CMember {
  readonly name: string;
  readonly type: string;
  readonly form: 'ONE' | 'OPTIONAL' | 'LIST';
  readonly kind: string;
  /** The number of variants of an enum, the shape of a struct, else 0. */
  readonly detail: string;
  readonly comment: string;
}

export interface CMessage {
  readonly name: string;
  readonly tag: number;
  readonly discriminant: number;
  readonly constant: string;
  readonly direction: Direction;
  readonly shape: string;
  /** How the fields are found in `struct message`; absent without fields. */
  readonly member: { readonly type: string; readonly name: string } | undefined;
}

const SCALARS = {
  bool: 'bool',
  u8: 'uint8_t',
  u16: 'uint16_t',
  u32: 'uint32_t',
  u53: 'uint64_t',
  u64: 'uint64_t',
  i32: 'int32_t',
  i64: 'int64_t',
  string: 'struct slice',
  bytes: 'struct slice',
} as const;

const DATA: Fields = { data: 'bytes' };

interface Value {
  readonly type: string;
  readonly kind: string;
  readonly detail: string;
  readonly plural: string;
}

/** Reads the whole schema. Throws for types that the C codec does not know, such as a list of lists. */
export function cModel(schema: readonly MessageSchema[]): CModel {
  const enums = new Map<string, CEnum>();
  const optionals = new Map<string, COptional>();
  const structs = new Map<string, CStruct>();
  /** Messages with the very same fields have one struct. */
  const shared = new Map<Fields, CStruct>();

  function value(type: FieldType): Value {
    if (typeof type === 'string') {
      const kind = type.toUpperCase();
      return { type: SCALARS[type], kind, detail: '0', plural: type === 'string' ? 'strings' : type };
    }
    if ('enum' in type) {
      const prefix = constantCase(type.enum);
      const constants = type.variants.map((variant) => `${prefix}_${constantCase(variant)}`);
      const name = `enum ${snakeCase(type.enum)}`;
      enums.set(name, { type: name, constants });
      return { type: name, kind: 'ENUM', detail: String(constants.length), plural: name };
    }
    if ('tuple' in type) {
      const [first, second, third] = type.tuple;
      if (first !== 'string' || second !== 'string' || third !== undefined) return unknown(type);
      return struct('StringPair', { first, second });
    }
    if ('struct' in type) return struct(type.struct, type.fields);
    return unknown(type);
  }

  function struct(name: string, fields: Fields): Value {
    const { type, shape } = define(name, members(fields));
    return { type, kind: 'STRUCT', detail: shape, plural: type };
  }

  function define(name: string, of: readonly CMember[]): CStruct {
    const type = `struct ${snakeCase(name)}`;
    const defined = structs.get(type) ?? { type, shape: `SHAPE_${constantCase(name)}`, members: of, listed: new Set() };
    structs.set(type, defined);
    return defined;
  }

  function members(fields: Fields): CMember[] {
    return Object.entries(fields).map(([name, type]) => member(snakeCase(name), type));
  }

  function member(name: string, type: FieldType): CMember {
    if (typeof type === 'object' && 'list' in type) {
      const { kind, detail, plural } = value(type.list);
      return { name, type: 'struct list', form: 'LIST', kind, detail, comment: `of ${plural}` };
    }
    if (typeof type === 'object' && 'option' in type) {
      const { type: valueType, kind, detail } = value(type.option);
      const words = valueType.replace(/^(struct|enum) /, '').replace(/_t$/, '');
      const optional = `struct optional_${words.replace('uint', 'u').replace('int', 'i')}`;
      optionals.set(optional, { type: optional, valueType });
      return { name, type: optional, form: 'OPTIONAL', kind, detail, comment: '' };
    }
    const { type: valueType, kind, detail } = value(type);
    return { name, type: valueType, form: 'ONE', kind, detail, comment: '' };
  }

  function messageMembers({ fields, begins }: MessageSchema): CMember[] {
    if (begins === undefined) return members(fields);
    const common = Object.keys(begins.fields);
    if (Object.keys(fields).slice(0, common.length).join() !== common.join()) return unknown(begins);
    const rest = Object.entries(fields).slice(common.length);
    return [member(snakeCase(begins.struct), begins), ...members(Object.fromEntries(rest))];
  }

  function message(schema: MessageSchema): CMessage {
    const { name, tag, direction, fields } = schema;
    const found = { name, tag, direction, discriminant: discriminantOf(tag), constant: `TAG_${constantCase(name)}` };
    if (Object.keys(fields).length === 0) return { ...found, shape: 'SHAPE_NOTHING', member: undefined };
    // Whatever carries nothing but bytes has them in one place.
    if (JSON.stringify(fields) === JSON.stringify(DATA)) {
      return { ...found, shape: 'SHAPE_DATA', member: { type: 'struct slice', name: 'data' } };
    }
    const { type, shape } = shared.get(fields) ?? define(`${name}Message`, messageMembers(schema));
    shared.set(fields, structs.get(type) as CStruct);
    return { ...found, shape, member: { type, name: snakeCase(name) } };
  }

  function markElements(members: readonly CMember[], direction: Direction): void {
    for (const { form, kind, detail } of members) {
      const inner = [...structs.values()].find(({ shape }) => kind === 'STRUCT' && shape === detail);
      if (inner === undefined) continue;
      if (form === 'LIST') inner.listed.add(direction);
      markElements(inner.members, direction);
    }
  }

  const messages = schema.map(message);
  for (const { member: of, direction } of messages) markElements(structs.get(of?.type ?? '')?.members ?? [], direction);
  return {
    enums: [...enums.values()],
    optionals: [...optionals.values()],
    structs: [...structs.values()],
    messages,
  };
}

function unknown(type: FieldType): never {
  throw new Error(`the C codec does not know ${JSON.stringify(type)}`);
}
