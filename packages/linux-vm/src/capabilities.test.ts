import { parseServiceSpec, type ServiceSpecInput } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { refuseUnsupported } from './capabilities.ts';

const refusal = (spec: Partial<ServiceSpecInput>): unknown => {
  try {
    refuseUnsupported('test', parseServiceSpec({ image: 'alpine', ...spec }));
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('refuseUnsupported', () => {
  it('lets an ordinary spec pass', () => {
    expect(refusal({})).toBeUndefined();
    expect(
      refusal({ resources: { cpu: 2, memory: '1Gi' }, env: { A: '1' }, user: 'git', openStdin: true }),
    ).toBeUndefined();
  });

  it.each<[string, Partial<ServiceSpecInput>]>([
    ['ports', { ports: ['8080:80'] }],
    ['storage', { storage: [{ type: 'tmpfs', target: '/tmp' }] }],
    ['resources.ulimits', { resources: { ulimits: { nofile: 10 } } }],
    ['lifecycle.restart', { lifecycle: { restart: { policy: 'always' } } }],
    ['readOnlyRoot', { readOnlyRoot: true }],
    ['capabilities', { capabilities: { add: ['NET_ADMIN'] } }],
    ['init: false', { init: false }],
    ['tty', { tty: true }],
    ['hostname', { hostname: 'web' }],
  ])('never leaves out %s in silence', (place, spec) => {
    expect(refusal(spec)).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining(place) });
  });

  it('names everything at once', () => {
    expect(refusal({ tty: true, ports: ['80'] })).toMatchObject({ message: expect.stringMatching(/ports, tty$/) });
  });
});
