import { describe, expect, it } from 'vitest';
import { findQemu, findVirtiofsd } from './programs.ts';
import { QemuDriver } from './qemu-driver.ts';

describe('a program that is missing', () => {
  it('is named, with what to install', async () => {
    await expect(findQemu('arm64', { qemu: { arm64: '/nowhere/qemu' } })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      subject: '/nowhere/qemu',
    });
    const path = process.env['PATH'];
    process.env['PATH'] = '/nowhere';
    try {
      await expect(findQemu('amd64', {})).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        remedy: expect.stringContaining('qemu-system-x86'),
      });
      expect(await findVirtiofsd({})).toMatch(/\/virtiofsd$/);
      expect(await new QemuDriver().availability()).toMatchObject({
        available: false,
        reason: expect.stringContaining('not installed'),
      });
    } finally {
      process.env['PATH'] = path;
    }
  });
});
