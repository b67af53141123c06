import { describe, expect, it } from 'vitest';
import { descriptorLimit, rememberedFiles } from './remembered-files.ts';

const limits = (hard: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units
Max processes             63432                63432                processes
Max open files            1024                 ${hard.padEnd(20)} files
`;

describe('files that a guest remembers', () => {
  it('are bounded by the descriptors that their server can have', async () => {
    expect(descriptorLimit(limits('20000'))).toBe(20_000);
    expect(descriptorLimit(limits('1073741816'))).toBe(1_000_000);
    expect(descriptorLimit(limits('unlimited'))).toBe(1_000_000);
    const server = { program: '/v', kind: 'rust', translatesOwners: true } as const;
    expect(await rememberedFiles({ ...server, holdsDescriptors: true })).toBeGreaterThan(100);
    expect(await rememberedFiles({ ...server, holdsDescriptors: false })).toBeUndefined();
  });
});
