import { expect, test } from 'vitest';
import { crc32c } from './crc32c.ts';

test('the checksum is the one the kernel computes', () => {
  // The catalogue's check value of CRC-32C is 0xe3069283, after a last inversion that EROFS leaves out.
  expect(crc32c(Buffer.from('123456789'))).toBe(~0xe306_9283 >>> 0);
  expect(crc32c(new Uint8Array())).toBe(0xffff_ffff);
});
