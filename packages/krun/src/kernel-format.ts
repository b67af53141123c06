import { open } from 'node:fs/promises';
import { ZlayerError } from '@zlayer/runtime-core';

/** As `krun_set_kernel` numbers them. */
const FORMATS = { raw: 0, elf: 1, bz2: 3, gzip: 4, zstd: 5 } as const;

const MAGICS: readonly { bytes: string; format?: number; name: string }[] = [
  { bytes: '1f8b', format: FORMATS.gzip, name: 'gzip' },
  { bytes: '425a68', format: FORMATS.bz2, name: 'bzip2' },
  { bytes: '28b52ffd', format: FORMATS.zstd, name: 'zstd' },
  { bytes: 'fd377a58', name: 'xz' },
  { bytes: '5d0000', name: 'LZMA' },
  { bytes: '02214c18', name: 'LZ4' },
];

const HEADER_BYTES = 1024;
/** The header of a bzImage: https://www.kernel.org/doc/html/latest/arch/x86/boot.html */
const SETUP_SECTORS_AT = 0x1f1;
const SIGNATURE_AT = 0x202;
const PAYLOAD_OFFSET_AT = 0x248;
/** https://www.kernel.org/doc/html/latest/arch/arm64/booting.html */
const ARM64_MAGIC_AT = 56;

/**
 * What libkrun has to be told of a kernel's file.
 *
 * @throws ZlayerError `INVALID_SPEC` for one that it cannot load, `NOT_FOUND` if there is none.
 */
export async function kernelFormat(path: string): Promise<number> {
  const file = await open(path).catch((cause: unknown) => {
    throw new ZlayerError('NOT_FOUND', `the kernel cannot be read: ${(cause as Error).message}`, {
      subject: path,
      cause,
    });
  });
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    await file.read(header, 0, HEADER_BYTES, 0);
    if (header.toString('latin1', 0, 4) === '\x7fELF') return FORMATS.elf;
    if (header.toString('latin1', ARM64_MAGIC_AT, ARM64_MAGIC_AT + 4) === 'ARM\x64') return FORMATS.raw;
    if (header.toString('latin1', SIGNATURE_AT, SIGNATURE_AT + 4) !== 'HdrS') throw unknown(path, 'no kernel');
    const sectors = (header[SETUP_SECTORS_AT] || 4) + 1;
    const payload = Buffer.alloc(4);
    await file.read(payload, 0, 4, sectors * 512 + header.readUInt32LE(PAYLOAD_OFFSET_AT));
    const found = MAGICS.find(({ bytes }) => payload.toString('hex').startsWith(bytes));
    if (found?.format !== undefined) return found.format;
    throw unknown(path, found === undefined ? 'compressed in an unknown way' : `compressed with ${found.name}`);
  } finally {
    await file.close();
  }
}

const unknown = (path: string, what: string): ZlayerError =>
  new ZlayerError('INVALID_SPEC', `libkrun cannot load ${path}: it is ${what}`, {
    subject: path,
    remedy: "Use libkrun's own kernel (`kernel: 'libkrunfw'`), or one that is not compressed, or with gzip or zstd.",
  });
