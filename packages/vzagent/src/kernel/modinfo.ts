import { ZlayerError } from '@zlayer/runtime-core';

/** What a kernel module says about itself. */
export interface ModuleInfo {
  /** Name with underscores, as the kernel lists it. */
  readonly name: string;
  /** Names of the modules that must be loaded before it. */
  readonly depends: readonly string[];
}

/**
 * Reads the `.modinfo` section of a kernel module (a little-endian ELF64 object, uncompressed).
 *
 * @throws {ZlayerError} `INVALID_SPEC` when the bytes are no such module.
 */
export function readModuleInfo(module: Uint8Array, path: string): ModuleInfo {
  const fields = new Map<string, string>();
  for (const text of sectionText(module, '.modinfo', path).split('\0')) {
    const equals = text.indexOf('=');
    if (equals > 0) fields.set(text.slice(0, equals), text.slice(equals + 1));
  }
  const name = fields.get('name');
  if (name === undefined) throw malformed(path, 'its .modinfo has no name');
  const depends = (fields.get('depends') ?? '').split(',').filter((dependency) => dependency !== '');
  return { name: moduleName(name), depends: depends.map(moduleName) };
}

/** The kernel takes `-` and `_` in module names for the same. */
export function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

interface Section {
  nameAt: number;
  offset: number;
  size: number;
}

function sectionText(module: Uint8Array, wanted: string, path: string): string {
  const bytes = Buffer.from(module.buffer, module.byteOffset, module.byteLength);
  const magic = '\x7fELF\x02\x01';
  if (bytes.length < 64 || bytes.toString('latin1', 0, magic.length) !== magic) {
    throw malformed(path, 'it is no little-endian 64-bit ELF file');
  }
  const tableAt = Number(bytes.readBigUInt64LE(0x28));
  const count = bytes.readUInt16LE(0x3c);
  const sections = Array.from({ length: count }, (_, index) => readSection(bytes, tableAt + index * 64, path));
  const names = sections[bytes.readUInt16LE(0x3e)];
  if (names === undefined) throw malformed(path, 'it has no section names');
  const text = (section: Section) => bytes.toString('latin1', section.offset, section.offset + section.size);
  const allNames = text(names);
  const found = sections.find(({ nameAt }) => allNames.startsWith(`${wanted}\0`, nameAt));
  if (found === undefined) throw malformed(path, `it has no ${wanted} section`);
  return text(found);
}

function readSection(bytes: Buffer, at: number, path: string): Section {
  if (at + 64 > bytes.length) throw malformed(path, 'it ends within its section table');
  const type = bytes.readUInt32LE(at + 4);
  const noBits = 8;
  const offset = Number(bytes.readBigUInt64LE(at + 0x18));
  const size = type === noBits ? 0 : Number(bytes.readBigUInt64LE(at + 0x20));
  if (offset + size > bytes.length) throw malformed(path, 'a section reaches beyond its end');
  return { nameAt: bytes.readUInt32LE(at), offset, size };
}

function malformed(path: string, fault: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `${path} is not a usable kernel module: ${fault}`, { subject: path });
}
