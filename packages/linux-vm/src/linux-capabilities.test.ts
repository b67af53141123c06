import { parseServiceSpec, type ServiceSpecInput } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { capabilityMask } from './linux-capabilities.ts';

const mask = (capabilities: ServiceSpecInput['capabilities']): bigint =>
  capabilityMask(parseServiceSpec({ image: 'a', capabilities }).capabilities);

const NET_ADMIN = 1n << 12n;

describe('capabilityMask', () => {
  it("is Docker's default set, whose use Docker allows, when nothing is said", () => {
    expect(mask({}).toString(16)).toBe('a00425fb');
  });

  it('gives and takes single ones', () => {
    expect(mask({ add: ['NET_ADMIN'] })).toBe(mask({}) | NET_ADMIN);
    expect(mask({ drop: ['CHOWN'] })).toBe(mask({}) & ~1n);
  });

  it('lets a name go before ALL', () => {
    expect(mask({ drop: ['ALL'] })).toBe(0n);
    expect(mask({ drop: ['ALL'], add: ['NET_ADMIN'] })).toBe(NET_ADMIN);
    expect(mask({ add: ['ALL'], drop: ['NET_ADMIN'] }) & NET_ADMIN).toBe(0n);
    expect(mask({ add: ['ALL'] }).toString(2)).toMatch(/^1{41}$/);
  });
});
