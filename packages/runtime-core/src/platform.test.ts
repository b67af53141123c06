import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ARCHITECTURES, formatPlatform, OPERATING_SYSTEMS, parsePlatform, samePlatform } from './platform.ts';

it.each([
  ['arm64', 'linux/arm64'],
  ['x86_64', 'linux/amd64'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['arm64/v8', 'linux/arm64'],
  ['Darwin/arm64', 'darwin/arm64'],
  ['macos/x64', 'darwin/amd64'],
])('%s is %s', (text, platform) => {
  expect(formatPlatform(parsePlatform(text))).toBe(platform);
});

it.each([
  '',
  'linux',
  'linux/',
  '/arm64',
  'linux/riscv64',
  'linux/linux/arm64',
  'windows/amd64',
  '__proto__/amd64',
  'linux/__proto__',
])('%j is refused with what there is', (text) => {
  expect(() => parsePlatform(text)).toThrow(
    expect.objectContaining({ code: 'INVALID_SPEC', remedy: expect.stringContaining('darwin/arm64') }),
  );
});

it('reads back every platform that is written', () => {
  const platforms = fc.record({
    os: fc.constantFrom(...OPERATING_SYSTEMS),
    architecture: fc.constantFrom(...ARCHITECTURES),
  });
  fc.assert(
    fc.property(platforms, platforms, (one, other) => {
      expect(parsePlatform(formatPlatform(one))).toEqual(one);
      expect(samePlatform(one, other)).toBe(formatPlatform(one) === formatPlatform(other));
    }),
  );
});
