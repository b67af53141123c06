import { describe, expect, it } from 'vitest';
import { VzDriver, VzLinuxRuntime } from './index.ts';

describe.skipIf(process.platform === 'darwin')('without Virtualization.framework', () => {
  it('imports, and says why there is nothing to run and what to use instead', async () => {
    for (const subject of [new VzDriver(), new VzLinuxRuntime()]) {
      expect(await subject.availability()).toEqual({
        available: false,
        reason: `Virtualization.framework is a part of macOS, and this is ${process.platform}`,
        remedy: 'Use @zlayer/qemu here.',
      });
    }
  });

  it('names a host program that is not one', async () => {
    const driver = new VzDriver({ hostProgram: '/bin/echo' });
    expect(await driver.availability()).toMatchObject({
      available: false,
      reason: expect.stringContaining('/bin/echo is not a vz-host'),
    });
  });
});
