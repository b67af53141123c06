/** One member of a tar archive. */
export interface TarEntry {
  /** Relative; a directory has no `/` at its end. */
  name: string;
  type: 'file' | 'directory' | 'link';
  /** Permission bits. */
  mode: number;
  data: Uint8Array;
  modifiedAt: Date;
  linkTarget?: string | undefined;
}

const BLOCK = 512;
const NAME_BYTES = 100;
const TYPE_FLAGS = { file: '0', directory: '5', link: '2' } as const;

/** A whole archive, in the POSIX format with pax headers for long names. */
export function writeTar(entries: readonly (Pick<TarEntry, 'name'> & Partial<TarEntry>)[]): Buffer {
  const parts = entries.flatMap(
    ({ name, type = 'file', mode, data = new Uint8Array(), modifiedAt, linkTarget = '' }) => {
      const path = type === 'directory' ? `${name}/` : name;
      const long = { ...(tooLong(path) ? { path } : {}), ...(tooLong(linkTarget) ? { linkpath: linkTarget } : {}) };
      const records = Buffer.from(Object.entries(long).map(paxRecord).join(''));
      const time = Math.floor((modifiedAt ?? new Date(0)).getTime() / 1000);
      const permissions = mode ?? (type === 'directory' ? 0o755 : 0o644);
      return [
        ...(records.length > 0 ? [header({ path: 'pax', flag: 'x', size: records.length }), padded(records)] : []),
        header({ path, flag: TYPE_FLAGS[type], size: data.byteLength, mode: permissions, time, linkTarget }),
        padded(data),
      ];
    },
  );
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** @throws Error when it is no archive, or is cut short. */
export function readTar(archive: Uint8Array): TarEntry[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const entries: TarEntry[] = [];
  let long: Record<string, string> = {};
  let at = 0;
  for (;;) {
    const block = bytes.subarray(at, at + BLOCK);
    if (block.length < BLOCK) throw new Error('the archive is cut short: it has no end');
    if (block.every((byte) => byte === 0)) return entries;
    if (checksumOf(block) !== octal(block, 148, 8)) throw new Error('this is no tar archive');
    const size = Number(long['size'] ?? octal(block, 124, 12));
    const data = bytes.subarray(at + BLOCK, at + BLOCK + size);
    if (data.length < size) throw new Error('the archive is cut short: a file has no end');
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const flag = String.fromCharCode(block[156] ?? 0);
    if (flag === 'x') long = { ...long, ...paxRecords(data) };
    else if (flag === 'L') long['path'] = untilNul(data);
    else if (flag === 'K') long['linkpath'] = untilNul(data);
    else if (flag !== 'g') {
      entries.push(entryOf(block, flag, data, long));
      long = {};
    }
  }
}

function entryOf(block: Buffer, flag: string, data: Buffer, long: Readonly<Record<string, string>>): TarEntry {
  const prefix = block.toString('latin1', 257, 262) === 'ustar' ? untilNul(block.subarray(345, 500)) : '';
  const short = untilNul(block.subarray(0, NAME_BYTES));
  const path = long['path'] ?? (prefix === '' ? short : `${prefix}/${short}`);
  const type = flag === '5' ? 'directory' : flag === '2' ? 'link' : 'file';
  return {
    name: path.replace(/\/+$/, ''),
    type,
    mode: octal(block, 100, 8) & 0o7777,
    data,
    modifiedAt: new Date(Number(long['mtime'] ?? octal(block, 136, 12)) * 1000),
    ...(type === 'link' ? { linkTarget: long['linkpath'] ?? untilNul(block.subarray(157, 257)) } : {}),
  };
}

interface HeaderFields {
  path: string;
  flag: string;
  size: number;
  mode?: number;
  time?: number;
  linkTarget?: string;
}

function header({ path, flag, size, mode = 0o644, time = 0, linkTarget = '' }: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const number = (value: number, at: number, length: number): number =>
    block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
  Buffer.from(path).copy(block, 0, 0, NAME_BYTES);
  number(mode, 100, 8);
  number(0, 108, 8);
  number(0, 116, 8);
  number(size, 124, 12);
  number(time, 136, 12);
  block.write(flag, 156, 'latin1');
  Buffer.from(linkTarget).copy(block, 157, 0, NAME_BYTES);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The sum of a header's bytes, with spaces where the sum itself is. */
function checksumOf(block: Uint8Array): number {
  return block.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);
}

function octal(block: Buffer, at: number, length: number): number {
  return Number.parseInt(untilNul(block.subarray(at, at + length)).trim() || '0', 8);
}

function untilNul(bytes: Buffer): string {
  const nul = bytes.indexOf(0);
  return bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul);
}

function padded(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc((BLOCK - (data.byteLength % BLOCK)) % BLOCK)]);
}

function tooLong(text: string): boolean {
  return Buffer.byteLength(text) > NAME_BYTES;
}

/** `length key=value\n`, where the length counts itself. */
function paxRecord([key, value]: readonly [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  length = bytes + String(length).length;
  return `${length}${rest}`;
}

function paxRecords(data: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < data.length; ) {
    const length = Number.parseInt(data.toString('latin1', at, at + 20), 10);
    if (!(length > 0)) throw new Error('this is no pax header');
    const [key = '', ...value] = data
      .toString('utf8', at, at + length - 1)
      .replace(/^\d+ /, '')
      .split('=');
    records[key] = value.join('=');
    at += length;
  }
  return records;
}
