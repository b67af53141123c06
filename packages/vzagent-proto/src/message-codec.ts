import { type Codec, codecOf, struct } from './codec.ts';
import type { Message } from './message.ts';
import { type Direction, discriminantOf, type Fields, type MessageSchema, SCHEMA } from './schema.ts';

/** A message of the schema with the codec of what follows its discriminant. */
export interface MessageCodec {
  readonly name: string;
  readonly tag: number;
  readonly discriminant: number;
  readonly direction: Direction;
  readonly body: Codec<Message>;
}

const CODECS = SCHEMA.map(messageCodec);
const BY_NAME = new Map(CODECS.map((codec) => [codec.name, codec]));
const BY_TAG = new Map(CODECS.map((codec) => [codec.tag, codec]));

export function codecOfType(type: string): MessageCodec | undefined {
  return BY_NAME.get(type);
}

export function codecOfTag(tag: number): MessageCodec | undefined {
  return BY_TAG.get(tag);
}

function messageCodec({ name, tag, direction, fields }: MessageSchema): MessageCodec {
  const body = isDataAlone(fields) ? dataBody(name) : fieldsBody(name, fields);
  // What a body reads is a Message, because Message is inferred from the very schema that the body follows.
  return { name, tag, direction, discriminant: discriminantOf(tag), body: body as Codec<unknown> as Codec<Message> };
}

function fieldsBody(name: string, fields: Fields): Codec<Record<string, unknown>> {
  return struct(fields, name, { type: name });
}

function isDataAlone(fields: Fields): boolean {
  return Object.keys(fields).length === 1 && fields['data'] === 'bytes';
}

/** Output and input are nearly all of the traffic, so their messages do without the loop over fields. */
function dataBody(type: string): Codec<{ type: string; data: Uint8Array }> {
  const data = codecOf('bytes', `${type}.data`) as Codec<Uint8Array>;
  return {
    size: (message: { data: unknown }) => data.size(message.data),
    write: (out, message) => data.write(out, message.data),
    read: (input) => ({ type, data: data.read(input) }),
  };
}
