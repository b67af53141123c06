import { parseServiceSpec, refuseUnsupported, type ServiceSpecInput } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { LINUX_VM_CAPABILITIES } from './capabilities.ts';

const refusal = (spec: Partial<ServiceSpecInput>): unknown => {
  try {
    refuseUnsupported(
      { name: 'test', capabilities: LINUX_VM_CAPABILITIES },
      parseServiceSpec({ image: 'alpine', ...spec }),
    );
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('the capabilities of Linux guests', () => {
  it('let pass what a guest can do', () => {
    expect(refusal({})).toBeUndefined();
    expect(refusal({ tty: true, ports: ['8080:80', '53/udp'], storage: ['/tmp:/tmp', 'data:/data'] })).toBeUndefined();
  });

  it.each<[string, Partial<ServiceSpecInput>]>([
    ['resources.gpu', { resources: { gpu: { vendor: 'apple' } } }],
    ['networkMode host', { networkMode: 'host' }],
    ['storage[0] of type s3', { storage: [{ type: 's3', bucket: 'bucket', target: '/s3' }] }],
    ['platform darwin/arm64', { platform: 'darwin/arm64' }],
  ])('never leave out %s in silence', (place, spec) => {
    expect(refusal(spec)).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining(place) });
  });

  it('name everything at once', () => {
    expect(refusal({ networkMode: 'host', resources: { gpu: { vendor: 'amd' } } })).toMatchObject({
      message: expect.stringMatching(/resources\.gpu, networkMode host$/),
    });
  });
});
