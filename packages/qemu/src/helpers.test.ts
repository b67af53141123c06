import { describe, expect, it } from 'vitest';
import { virtiofsdKind, virtiofsdProgram } from './helpers.ts';
import { findQemu, findVirtiofsd } from './programs.ts';
import { QemuDriver } from './qemu-driver.ts';

describe('virtiofsd', () => {
  const share = { tag: 'rootfs', path: '/images/a,b', readOnly: true };

  it('of QEMU 7.2 is told from its successor by what it says', async () => {
    expect(await virtiofsdKind('/usr/lib/qemu/virtiofsd')).toBe('c');
    expect(await virtiofsdKind('/bin/true')).toBe('rust');
    await expect(virtiofsdKind('/bin/false')).rejects.toMatchObject({ code: 'UNAVAILABLE', subject: '/bin/false' });
  });

  it('serves a read-only share read-only, whichever it is', () => {
    expect(virtiofsdProgram('c', '/v', '/s', share)).toEqual({
      argv: ['/v', '--socket-path=/s', '-o', String.raw`source=/images/a\,b`, '-o', 'cache=auto'],
      readOnlyPaths: ['/images/a,b'],
    });
    expect(virtiofsdProgram('rust', '/v', '/s', share).argv).toEqual([
      '/v',
      '--socket-path=/s',
      '--shared-dir=/images/a,b',
      '--cache=auto',
      '--readonly',
    ]);
  });

  it('serves a writable share writable', () => {
    const writable = { ...share, readOnly: false };
    expect(virtiofsdProgram('c', '/v', '/s', writable).readOnlyPaths).toEqual([]);
    expect(virtiofsdProgram('rust', '/v', '/s', writable).argv).not.toContain('--readonly');
  });
});

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
