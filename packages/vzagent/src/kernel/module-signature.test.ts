import { describe, expect, it } from 'vitest';
import { withoutSignature } from './module-signature.ts';

function signed(module: string, signature: string, claimed = signature.length): Buffer {
  const structure = Buffer.alloc(12);
  structure.writeUInt8(2, 2);
  structure.writeUInt32BE(claimed, 8);
  return Buffer.concat([Buffer.from(module + signature), structure, Buffer.from('~Module signature appended~\n')]);
}

describe('withoutSignature', () => {
  it('takes the signature off, which a guest would spend most of its boot on', () => {
    expect(Buffer.from(withoutSignature(signed('module', 'signature'))).toString()).toBe('module');
    // A view into a larger buffer, as reading files in one piece gives.
    const within = Buffer.concat([Buffer.from('before'), signed('module', 's')]).subarray(6);
    expect(Buffer.from(withoutSignature(within)).toString()).toBe('module');
  });

  it('leaves what has none as it is, and what lies about its length', () => {
    for (const module of [Buffer.alloc(0), Buffer.from('short'), Buffer.from('~Module signature appended~\n')]) {
      expect(withoutSignature(module)).toBe(module);
    }
    const lying = signed('module', 'signature', 0xffff_ffff);
    expect(withoutSignature(lying)).toBe(lying);
  });
});
