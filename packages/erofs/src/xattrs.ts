import { createHash } from 'node:crypto';
import { type ByteString, displayBytes, isByteString } from './byte-string.ts';

const HEADER_SIZE = 12;
const ENTRY_HEADER_SIZE = 4;
const REFERENCE_SIZE = 4;
const MAX_VALUE_LENGTH = 0xffff;
/** The kernel's limit for a whole name. */
const MAX_FULL_NAME_LENGTH = 255;
/** Higher counts are reserved by the format. */
const MAX_SHARED = 128;
/** The size of an inode's attributes is a 16-bit count of 4-byte words. */
const MAX_BODY_SIZE = HEADER_SIZE + 4 * 0xfffe;
/** An attribute that is longer is kept away from the inode even if no other inode has it, so that tails fit. */
const MAX_UNSHARED_SIZE = 256;
/** Values up to this length are compared as they are, longer ones by their digest. */
const MAX_LITERAL_KEY = 64;

const PREFIXES = [
  { prefix: 'user.', index: 1 },
  { prefix: 'trusted.', index: 4 },
  { prefix: 'security.', index: 6 },
] as const;

const WHOLE_NAMES = new Map([
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
]);

interface Attribute {
  index: number;
  /** Without the prefix that `index` stands for. */
  suffix: ByteString;
  value: Uint8Array;
  /** How many inodes have it. */
  uses: number;
  /** Its place in the shared area in units of 4 bytes; -1 when it is inline. */
  sharedId: number;
}

/** All attributes of one inode. */
export type AttributeList = readonly Attribute[];

export const NO_ATTRIBUTES: AttributeList = [];

/** The extended attributes of an image, each different one once. */
export class XattrTable {
  readonly #attributes = new Map<string, Attribute>();
  readonly #shared: Attribute[] = [];
  #sharedSize = 0;

  /** Takes the attributes of one inode. */
  add(xattrs: Iterable<readonly [name: ByteString, value: Uint8Array]>, fail: Fail): AttributeList {
    if (Array.isArray(xattrs) && xattrs.length === 0) return NO_ATTRIBUTES;
    const names = new Set<string>();
    const list: Attribute[] = [];
    for (const [name, value] of xattrs) {
      const { index, suffix } = parseName(name, fail);
      if (names.has(name)) fail(`the extended attribute ${displayBytes(name)} is given twice`);
      names.add(name);
      if (value.length > MAX_VALUE_LENGTH) {
        fail(`the value of ${displayBytes(name)} has ${value.length} bytes, more than ${MAX_VALUE_LENGTH}`);
      }
      list.push(this.#intern(index, suffix, value));
    }
    return list.length === 0 ? NO_ATTRIBUTES : list;
  }

  /** Decides what is shared. To be called once, when all inodes are known. */
  layOut(): void {
    for (const attribute of this.#attributes.values()) {
      const size = entrySize(attribute);
      if (attribute.uses < 2 && size <= MAX_UNSHARED_SIZE) continue;
      attribute.sharedId = this.#sharedSize / 4;
      this.#sharedSize += size;
      this.#shared.push(attribute);
    }
    this.#attributes.clear();
  }

  /** Bytes of the shared area. */
  get sharedSize(): number {
    return this.#sharedSize;
  }

  *encodeShared(): Generator<Uint8Array, void, undefined> {
    for (const attribute of this.#shared) {
      const bytes = Buffer.alloc(entrySize(attribute));
      encodeEntry(attribute, bytes, 0);
      yield bytes;
    }
  }

  #intern(index: number, suffix: ByteString, value: Uint8Array): Attribute {
    const key = `${index}${suffix}\0${keyOf(value)}`;
    const known = this.#attributes.get(key);
    if (known !== undefined) {
      known.uses += 1;
      return known;
    }
    const attribute: Attribute = { index, suffix, value, uses: 1, sharedId: -1 };
    this.#attributes.set(key, attribute);
    return attribute;
  }
}

/** Throws an `INVALID_XATTR` with what is wrong. */
type Fail = (fault: string) => never;

/** Bytes behind the inode. */
export function bodySize(list: AttributeList, fail: Fail): number {
  if (list.length === 0) return 0;
  let size = HEADER_SIZE;
  let shared = 0;
  for (const attribute of list) {
    if (attribute.sharedId >= 0 && shared < MAX_SHARED) {
      shared += 1;
      size += REFERENCE_SIZE;
    } else {
      size += entrySize(attribute);
    }
  }
  if (size > MAX_BODY_SIZE) fail(`its ${list.length} extended attributes are too large together`);
  return size;
}

/** The field `i_xattr_icount` of an inode. */
export function bodyCount(size: number): number {
  return size === 0 ? 0 : (size - HEADER_SIZE) / 4 + 1;
}

/** Writes what `bodySize` measured. The target must be zero. */
export function encodeBody(list: AttributeList, target: Buffer, offset: number): void {
  if (list.length === 0) return;
  const shared = list.filter(({ sharedId }) => sharedId >= 0).slice(0, MAX_SHARED);
  target.writeUInt8(shared.length, offset + 4);
  let position = offset + HEADER_SIZE;
  for (const { sharedId } of shared) position = target.writeUInt32LE(sharedId, position);
  const byReference = new Set(shared);
  for (const attribute of list) {
    if (byReference.has(attribute)) continue;
    encodeEntry(attribute, target, position);
    position += entrySize(attribute);
  }
}

function parseName(name: ByteString, fail: Fail): { index: number; suffix: ByteString } {
  if (!isByteString(name) || name.includes('\0') || name.length > MAX_FULL_NAME_LENGTH) {
    fail(`${displayBytes(name)} is no name of an extended attribute: at most ${MAX_FULL_NAME_LENGTH} bytes, no NUL`);
  }
  const whole = WHOLE_NAMES.get(name);
  if (whole !== undefined) return { index: whole, suffix: '' };
  const known = PREFIXES.find(({ prefix }) => name.startsWith(prefix) && name.length > prefix.length);
  if (known === undefined) {
    fail(
      `EROFS cannot hold the extended attribute ${displayBytes(name)}: only user.*, trusted.*, security.* and ` +
        'system.posix_acl_access and system.posix_acl_default',
    );
  }
  return { index: known.index, suffix: name.slice(known.prefix.length) };
}

function keyOf(value: Uint8Array): string {
  if (value.length <= MAX_LITERAL_KEY) return `=${Buffer.from(value).toString('latin1')}`;
  return `#${createHash('sha256').update(value).digest('base64')}`;
}

function entrySize(attribute: Attribute): number {
  return Math.ceil((ENTRY_HEADER_SIZE + attribute.suffix.length + attribute.value.length) / 4) * 4;
}

function encodeEntry(attribute: Attribute, target: Buffer, offset: number): void {
  target.writeUInt8(attribute.suffix.length, offset);
  target.writeUInt8(attribute.index, offset + 1);
  target.writeUInt16LE(attribute.value.length, offset + 2);
  target.write(attribute.suffix, offset + ENTRY_HEADER_SIZE, 'latin1');
  target.set(attribute.value, offset + ENTRY_HEADER_SIZE + attribute.suffix.length);
}
