import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { resolveGuest } from '../src/index.ts';
import { Machine } from './testing/machine.ts';

describe.each(ARCHITECTURES)('a guest on %s that cannot boot', (architecture) => {
  it.each([
    ['has no word about its root', { withoutAgentWords: true }, 'rootfstag= is not on the kernel command line'],
    ['is told of a share that is not there', { append: ['rootfstag=elsewhere'] }, 'cannot mount elsewhere (virtiofs)'],
  ])('and %s says so and powers off', async (_, fields, words) => {
    const rootfs = await mkdtemp(join(tmpdir(), 'vzagent-root-'));
    try {
      const { kernel, initramfs } = await resolveGuest({ architecture });
      await using machine = await Machine.launch({ architecture, kernel, initramfs, rootfs, ...fields });
      expect(await machine.exited).toBe(0);
      expect(await machine.console()).toContain(`vzagent: ${words}`);
    } finally {
      await rm(rootfs, { recursive: true, force: true });
    }
  });
});
