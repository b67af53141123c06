/** A postcard type with a fixed meaning: integers by width, a UTF-8 string, a byte vector. */
export type ScalarType = 'bool' | 'u8' | 'u16' | 'u32' | 'u64' | 'i32' | 'i64' | 'string' | 'bytes';

/** A postcard type: a scalar or something made of other types. Elements of a list take at least one byte each. */
export type FieldType =
  | ScalarType
  | { readonly option: FieldType }
  | { readonly list: FieldType }
  | { readonly tuple: readonly FieldType[] }
  | { readonly struct: string; readonly fields: Fields };

/** Fields by name, in the order in which they stand on the wire. */
export type Fields = { readonly [name: string]: FieldType };

/** Where a message may travel. */
export type Direction = 'toGuest' | 'toHost' | 'both';

export interface MessageSchema {
  /** The byte after the length prefix. */
  readonly tag: number;
  readonly name: string;
  readonly direction: Direction;
  readonly fields: Fields;
}

const argv = { list: 'string' } as const;
const env = { list: { tuple: ['string', 'string'] } } as const;
const optionalString = { option: 'string' } as const;
const optionalId = { option: 'u32' } as const;

const wgPeer = {
  struct: 'WgPeer',
  // An empty endpoint is a roaming peer; allowedIps are CIDRs with commas between.
  fields: { publicKey: 'string', endpoint: 'string', allowedIps: 'string', persistentKeepaliveSecs: 'u64' },
} as const;

/** Every message of the protocol. Types, codecs and the README's table all follow from this one table. */
export const SCHEMA = [
  { tag: 1, name: 'Run', direction: 'toGuest', fields: { argv, env, cwd: optionalString, uid: 'u32', gid: 'u32' } },
  {
    tag: 2,
    name: 'Exec',
    direction: 'toGuest',
    fields: { argv, env, cwd: optionalString, uid: optionalId, gid: optionalId, user: optionalString },
  },
  { tag: 3, name: 'Signal', direction: 'toGuest', fields: { signum: 'i32' } },
  { tag: 4, name: 'Stdout', direction: 'toHost', fields: { data: 'bytes' } },
  { tag: 5, name: 'Stderr', direction: 'toHost', fields: { data: 'bytes' } },
  { tag: 6, name: 'Started', direction: 'toHost', fields: { pid: 'i32' } },
  { tag: 7, name: 'Exited', direction: 'toHost', fields: { code: 'i32' } },
  { tag: 8, name: 'Error', direction: 'both', fields: { message: 'string' } },
  { tag: 9, name: 'Forward', direction: 'toGuest', fields: { port: 'u16' } },
  { tag: 10, name: 'Mount', direction: 'toGuest', fields: { tag: 'string', target: 'string', readonly: 'bool' } },
  { tag: 11, name: 'Stdin', direction: 'toGuest', fields: { data: 'bytes' } },
  { tag: 12, name: 'StdinEof', direction: 'toGuest', fields: {} },
  {
    tag: 13,
    name: 'OverlayConfig',
    direction: 'toGuest',
    fields: {
      overlayIp: 'string',
      prefixLen: 'u8',
      privateKey: 'string',
      listenPort: 'u16',
      peers: { list: wgPeer },
      dnsServer: optionalString,
      dnsDomain: optionalString,
    },
  },
  { tag: 14, name: 'SetTime', direction: 'toGuest', fields: { unixSecs: 'i64' } },
] as const satisfies readonly MessageSchema[];

const FIRST_EXTENSION_TAG = 32;

/** The number with which the payload of a message begins. */
export function discriminantOf(tag: number): number {
  return tag < FIRST_EXTENSION_TAG ? tag - 1 : tag;
}
