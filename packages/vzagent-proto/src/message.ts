import { type FieldType, SCHEMA } from './schema.ts';

interface ScalarValues {
  bool: boolean;
  u8: number;
  u16: number;
  u32: number;
  u53: number;
  u64: bigint;
  i32: number;
  i64: bigint;
  string: string;
  bytes: Uint8Array;
}

/** The JavaScript value of a schema's type: optional is `| null`, lists and tuples are read-only arrays. */
type ValueOf<T> = T extends keyof ScalarValues
  ? ScalarValues[T]
  : T extends { readonly option: infer Inner }
    ? ValueOf<Inner> | null
    : T extends { readonly list: infer Element }
      ? readonly ValueOf<Element>[]
      : T extends { readonly tuple: infer Elements extends readonly FieldType[] }
        ? { readonly [I in keyof Elements]: ValueOf<Elements[I]> }
        : T extends { readonly variants: readonly (infer Variant)[] }
          ? Variant
          : T extends { readonly fields: infer F }
            ? RecordOf<F>
            : never;

type RecordOf<F> = { -readonly [Name in keyof F]: ValueOf<F[Name]> };

type MessageFrom<S> = S extends { readonly name: infer Name; readonly fields: infer F }
  ? { [K in 'type' | keyof F]: K extends 'type' ? Name : K extends keyof F ? ValueOf<F[K]> : never }
  : never;

/** Any message of the protocol, told apart by `type`. */
export type Message = MessageFrom<(typeof SCHEMA)[number]>;

/** The name of a message. */
export type MessageType = Message['type'];

/** The message of one type, for example `MessageOf<'Run'>`. */
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;

/** A frame whose tag this package does not know, as a `FrameDecoder` with `unknownTags: 'report'` hands it on. */
export interface UnknownMessage {
  type: 'Unknown';
  tag: number;
  /** Everything after the tag, undecoded. */
  payload: Uint8Array;
}

/** The tag of every message by its type. */
export const TAGS = Object.freeze(Object.fromEntries(SCHEMA.map(({ name, tag }) => [name, tag]))) as {
  readonly [S in (typeof SCHEMA)[number] as S['name']]: S['tag'];
};
