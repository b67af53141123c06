import { describe, expect, it } from 'vitest';
import { readModuleInfo } from './modinfo.ts';

/** An ELF file with a section of names and a `.modinfo`. */
function elf(modinfo: string): Buffer {
  const names = Buffer.from('\0.modinfo\0.shstrtab\0');
  const info = Buffer.from(modinfo);
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01', 'latin1');
  const tableAt = 64 + names.length + info.length;
  header.writeBigUInt64LE(BigInt(tableAt), 0x28);
  header.writeUInt16LE(2, 0x3c);
  header.writeUInt16LE(1, 0x3e);
  const section = (nameAt: number, offset: number, size: number): Buffer => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(nameAt);
    entry.writeUInt32LE(1, 4);
    entry.writeBigUInt64LE(BigInt(offset), 0x18);
    entry.writeBigUInt64LE(BigInt(size), 0x20);
    return entry;
  };
  const table = [section(1, 64 + names.length, info.length), section(10, 64, names.length)];
  return Buffer.concat([header, names, info, ...table]);
}

describe('readModuleInfo', () => {
  it('finds name and dependencies', () => {
    const module = elf('license=GPL\0depends=virtio,virtio-ring\0name=virtio-rng\0vermagic=6.1\0');
    expect(readModuleInfo(module, 'm.ko')).toEqual({ name: 'virtio_rng', depends: ['virtio', 'virtio_ring'] });
    expect(readModuleInfo(elf('depends=\0name=fuse\0'), 'm.ko')).toEqual({ name: 'fuse', depends: [] });
  });

  it('refuses what is no module, cut short anywhere', () => {
    const whole = elf('depends=\0name=fuse\0');
    for (let length = 0; length < whole.length; length++) {
      const attempt = () => readModuleInfo(whole.subarray(0, length), 'cut.ko');
      expect(attempt).toThrowError(expect.objectContaining({ code: 'INVALID_SPEC', subject: 'cut.ko' }));
    }
    expect(() => readModuleInfo(elf('license=GPL\0'), 'm.ko')).toThrowError(/no name/);
  });

  it('answers any damage with a typed error or a result', () => {
    const whole = elf('depends=a\0name=b\0');
    for (let at = 0; at < whole.length * 8; at++) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3);
      try {
        readModuleInfo(damaged, 'damaged.ko');
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_SPEC' });
      }
    }
  });
});
