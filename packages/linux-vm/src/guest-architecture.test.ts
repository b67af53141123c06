import { expect, test } from 'vitest';
import { guestArchitecture } from './guest-architecture.ts';

test('a guest is what its programs are, or translates them where the driver can', () => {
  expect(guestArchitecture('amd64', { architectures: ['arm64', 'amd64'], translated: ['amd64'] })).toEqual({
    architecture: 'amd64',
  });
  expect(guestArchitecture('amd64', { architectures: ['arm64'], translated: ['amd64'] })).toEqual({
    ...{ architecture: 'arm64', translated: 'amd64' },
  });
  expect(guestArchitecture('amd64', { architectures: ['arm64'] })).toEqual({ architecture: 'amd64' });
  expect(guestArchitecture('amd64', { architectures: [], translated: ['amd64'] })).toEqual({ architecture: 'amd64' });
});
