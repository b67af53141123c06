/** An entry to write. Nothing is checked: tests also need archives that no honest program makes. */
export interface TarInput {
  /** Default: `file`. */
  type?: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo' | undefined;
  /** Text, or the bytes of a name that is not UTF-8. */
  path: string | Buffer;
  linkPath?: string | Buffer | undefined;
  content?: string | Uint8Array | undefined;
  /** Default: 0o755 for directories, 0o777 for symlinks, else 0o644. */
  mode?: number | undefined;
  /** Default: 0. */
  uid?: number | undefined;
  /** Default: 0. */
  gid?: number | undefined;
  /** Seconds since 1970. Default: 1 700 000 000. */
  mtime?: number | undefined;
  deviceMajor?: number | undefined;
  deviceMinor?: number | undefined;
  /** Further records for the PAX header. */
  pax?: Readonly<Record<string, string | Buffer>> | undefined;
}

const typeFlags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const;

const blockSize = 512;

/** A tar archive of the entries, in order, with PAX headers where ustar is not enough. */
export function writeTar(entries: Iterable<TarInput>): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) blocks.push(writeEntry(entry));
  blocks.push(Buffer.alloc(2 * blockSize));
  return Buffer.concat(blocks);
}

function writeEntry(entry: TarInput): Buffer {
  const { type = 'file', pax = {} } = entry;
  const path = bytesOf(entry.path);
  const linkPath = bytesOf(entry.linkPath ?? '');
  const content = Buffer.from(entry.content ?? '');
  const records: [string, Buffer][] = Object.entries(pax).map(([key, value]) => [key, Buffer.from(value)]);
  if (path.length > 100) records.push(['path', path]);
  if (linkPath.length > 100) records.push(['linkpath', linkPath]);
  const mode = entry.mode ?? (type === 'directory' ? 0o755 : type === 'symlink' ? 0o777 : 0o644);
  const header = writeHeader({ ...entry, mode }, typeFlags[type], path, linkPath, content.length);
  const blocks = [header, padded(content)];
  if (records.length > 0) {
    const extension = Buffer.concat(records.map(([key, value]) => writeRecord(key, value)));
    const name = Buffer.from('PaxHeader');
    blocks.unshift(writeHeader({ mode: 0o644 }, 'x', name, Buffer.alloc(0), extension.length), padded(extension));
  }
  return Buffer.concat(blocks);
}

/** One header block, with a correct checksum. */
export function writeHeader(
  entry: Omit<TarInput, 'path'>,
  typeFlag: string,
  path: Buffer,
  linkPath: Buffer,
  size: number,
): Buffer {
  const block = Buffer.alloc(blockSize);
  path.copy(block, 0, 0, 100);
  block.write(octal(entry.mode ?? 0, 7), 100);
  block.write(octal(entry.uid ?? 0, 7), 108);
  block.write(octal(entry.gid ?? 0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(entry.mtime ?? 1_700_000_000, 11), 136);
  block.write(typeFlag, 156, 'latin1');
  linkPath.copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257);
  block.write(octal(entry.deviceMajor ?? 0, 7), 329);
  block.write(octal(entry.deviceMinor ?? 0, 7), 337);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

export function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize)]);
}

function writeRecord(key: string, value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = body.length;
  while (length !== body.length + String(length).length) length = body.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function octal(value: number, digits: number): string {
  return Math.trunc(value).toString(8).padStart(digits, '0');
}

function bytesOf(text: string | Buffer): Buffer {
  return Buffer.from(text);
}
