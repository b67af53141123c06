import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerIdSchema, formatContainerId, parseContainerId } from './container-id.ts';
import { ZlayerError } from './errors.ts';
import { parsePlatform } from './platform.ts';
import { parseServiceSpec, platformOf } from './service-spec.ts';

describe('parseServiceSpec', () => {
  it('fills in the defaults', () => {
    expect(parseServiceSpec({ image: 'alpine' })).toEqual({
      image: 'alpine',
      pullPolicy: 'ifNotPresent',
      sourcePolicy: 'any',
      rootfs: { type: 'erofs' },
      command: {},
      env: {},
      labels: {},
      resources: { cpu: 1, memory: '512Mi', ulimits: {} },
      storage: [],
      ports: [],
      sockets: [],
      endpoints: [],
      networkMode: 'default',
      dns: { servers: [], search: [] },
      extraHosts: {},
      readOnlyRoot: false,
      capabilities: { add: [], drop: [] },
      init: true,
      lifecycle: { deleteOnExit: false, onOwnerExit: 'stop', restart: { policy: 'no', backoff: 100 } },
      stopGracePeriod: 10_000,
      tty: false,
      openStdin: false,
    });
  });

  it('names every problem and its place', () => {
    const bad = {
      image: '',
      comand: [],
      resources: { memory: 'lots' },
      stopSignal: 'SIGNOPE',
      command: { workdir: 'relative' },
      env: { 'A=B': 'x' },
    };
    const error = catchError(() => parseServiceSpec(bad));
    expect(error).toBeInstanceOf(ZlayerError);
    expect(error).toMatchObject({ code: 'INVALID_SPEC' });
    for (const place of ['image:', 'comand', 'resources.memory:', 'stopSignal:', 'command.workdir:', 'env.A=B:']) {
      expect((error as Error).message).toContain(place);
    }
  });

  it.each([undefined, null, 'alpine', 7, []])('refuses %j, which is no spec', (input) => {
    expect(() => parseServiceSpec(input)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  });

  it('refuses NUL, which would cut an argument short', () => {
    expect(() => parseServiceSpec({ image: 'a', command: { args: ['a\0b'] } })).toThrow(/NUL/);
  });
});

describe('platforms', () => {
  it('reads the usual spellings', () => {
    for (const text of ['linux/arm64', 'linux/arm64/v8', 'aarch64', 'arm64'])
      expect(parsePlatform(text).architecture).toBe('arm64');
    for (const text of ['linux/amd64', 'x86_64', 'LINUX/AMD64']) expect(parsePlatform(text).architecture).toBe('amd64');
  });

  it.each(['windows/amd64', 'linux/', 'linux/riscv64', '', 'constructor'])('refuses %j', (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  });

  it('follows the spec before the host', () => {
    const host = parsePlatform('linux/amd64');
    expect(platformOf(parseServiceSpec({ image: 'a' }), host)).toBe(host);
    expect(platformOf(parseServiceSpec({ image: 'a', platform: 'arm64' }), host).architecture).toBe('arm64');
  });
});

describe('container ids', () => {
  it.each(['web', 'my-service-2', 'a.b_c', '0-0'])('are read back as they are shown: %s', (service) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (replica) => {
        expect(parseContainerId(formatContainerId({ service, replica }))).toEqual({ service, replica });
      }),
    );
  });

  it.each(['', 'web', 'web-', '-0', 'web-01', 'web--1', 'web-1x', 'web-4294967296', '../x-0', 'a b-0', 'web-0\n'])(
    'are not read into %j',
    (text) => {
      expect(() => parseContainerId(text)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
    },
  );

  it('are shown as service-replica', () => {
    expect(formatContainerId({ service: 'web', replica: 3 })).toBe('web-3');
  });

  it.each(['..', 'a/b', '', '-a', 'a-', 'a\0', 'x'.repeat(64)])(
    'refuse %j, which would leave its directory',
    (service) => {
      expect(containerIdSchema.safeParse({ service, replica: 0 }).success).toBe(false);
    },
  );
});

function catchError(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
