import { parseServiceSpec } from '@zlayer/runtime-core';
import { describe, expect, test } from 'vitest';
import { explain, formatProfile, policyForSpec } from './index.ts';

const PLACES = { rootfs: '/private/var/c/rootfs', workspace: '/private/var/c/tmp' };
const ENDPOINT = { name: 'http', port: 80, targetPort: 8080 };

function policy(spec: Record<string, unknown>, places: Partial<Parameters<typeof policyForSpec>[1]> = {}) {
  return policyForSpec(parseServiceSpec({ image: 'x', ...spec }), { ...PLACES, ...places });
}

describe('network', () => {
  test('a spec without endpoints has all of it', () => {
    expect(policy({}).network).toEqual({ mode: 'full' });
    expect(policy({ networkMode: 'host', endpoints: [ENDPOINT] }).network).toEqual({ mode: 'full' });
  });

  test('one with endpoints has the ports that its workload listens on, and its own, and nothing outside', () => {
    const ports = [8080, 49_152];
    expect(policy({ endpoints: [ENDPOINT] }, { port: 49_152 }).network).toEqual({
      mode: 'localhost',
      bindPorts: ports,
      connectPorts: ports,
      outboundPorts: [],
    });
  });

  test('what is outside is opened on request only', () => {
    const network = policy({ endpoints: [ENDPOINT] }, { outbound: true }).network;
    expect(network).toMatchObject({ outboundPorts: [53, 80, 443] });
  });

  test('no network stays no network, with endpoints, a port of its own and requests', () => {
    const places = { port: 49_152, outbound: true };
    expect(policy({ networkMode: 'none', endpoints: [ENDPOINT] }, places).network).toEqual({ mode: 'none' });
  });
});

describe('storage', () => {
  test('a bind opens its source and never its target, and a read-only one stays so', () => {
    const storage = ['/Users/me/data:/etc/data:ro', '/Users/me/work:/srv'];
    const profile = formatProfile(policy({ storage, networkMode: 'none' }));
    const allowed = (operation: string, path: string) => explain(profile, { operation, path }).allowed;
    expect(allowed('file-read-data', '/Users/me/data/x')).toBe(true);
    expect(allowed('file-write-data', '/Users/me/data/x')).toBe(false);
    expect(allowed('file-write-data', '/Users/me/work/x')).toBe(true);
    for (const target of ['/etc/data/x', '/srv/x']) {
      expect(allowed('file-read-data', target)).toBe(false);
      expect(allowed('file-write-data', target)).toBe(false);
    }
    expect(explain(profile, { operation: 'file-read-data', path: '/Users/me/work' }).rule?.section).toContain(
      'storage[1]',
    );
  });

  test('a read-only root is read-only', () => {
    const profile = formatProfile(policy({ readOnlyRoot: true }));
    const request = { operation: 'file-write-data', path: `${PLACES.rootfs}/x` };
    expect(explain(profile, request).allowed).toBe(false);
    expect(explain(formatProfile(policy({})), request).allowed).toBe(true);
  });
});

test.each([
  [undefined, 'none'],
  [{ vendor: 'apple' }, 'metal'],
  [{ vendor: 'apple', mode: 'metal' }, 'metal'],
  [{ vendor: 'apple', mode: 'mps' }, 'mps'],
])('the GPU %j is %s', (gpu, mode) => {
  expect(policy({ resources: { gpu } }).gpu).toBe(mode);
});

test.each([
  [{ resources: { gpu: { vendor: 'nvidia' } } }, 'resources.gpu.vendor nvidia'],
  [{ resources: { gpu: { vendor: 'apple', mode: 'cuda' } } }, 'resources.gpu.mode cuda'],
  [{ resources: { gpu: { vendor: 'apple', count: 2 } } }, 'resources.gpu.count'],
  [{ storage: ['/a:/a', 'data:/data'] }, 'storage[1] of type named'],
  [{ storage: ['/data'] }, 'storage[0] of type anonymous'],
  [{ storage: [{ type: 'tmpfs', target: '/t' }] }, 'storage[0] of type tmpfs'],
  [{ sockets: ['/run/host.sock:/run/app.sock'] }, 'sockets'],
])('what no profile can do is refused by its place, not left out: %j', (spec, subject) => {
  expect(() => policy(spec)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', subject }));
});
