import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseServiceSpec, type ServiceSpecInput } from '../service-spec.ts';

const parse = (part: Omit<ServiceSpecInput, 'image'>) => parseServiceSpec({ image: 'a', ...part });
const mapping = (hostPort: number, containerPort: number, protocol = 'tcp') => ({
  hostAddress: '127.0.0.1',
  hostPort,
  containerPort,
  protocol,
});

describe('what a Compose file says', () => {
  it('is read: variables and labels as lists, or with numbers and booleans', () => {
    expect(parse({ env: ['A=1', 'B=', 'C=d=e'] }).env).toEqual({ A: '1', B: '', C: 'd=e' });
    expect(parse({ env: { PORT: 8080, DEBUG: true } }).env).toEqual({ PORT: '8080', DEBUG: 'true' });
    expect(parse({ labels: ['com.example=x'] }).labels).toEqual({ 'com.example': 'x' });
    expect(parse({ extraHosts: ['db:10.0.0.1', 'six:2001:db8::1'] }).extraHosts).toEqual({
      db: '10.0.0.1',
      six: '2001:db8::1',
    });
  });

  it('is read: sockets of the host and of the container', () => {
    expect(parse({ sockets: ['/run/a.sock:/b.sock'] }).sockets).toEqual([
      { hostPath: '/run/a.sock', containerPath: '/b.sock' },
    ]);
  });

  it('is read: ranges of ports, each port written out', () => {
    expect(parse({ ports: ['8080-8082:80-82', '90-91/udp', '443'] }).ports).toEqual([
      mapping(8080, 80),
      mapping(8081, 81),
      mapping(8082, 82),
      mapping(0, 90, 'udp'),
      mapping(0, 91, 'udp'),
      mapping(0, 443),
    ]);
  });

  it('is read: mounts as text, CPUs as text, days', () => {
    expect(parse({ storage: ['/host:/a:ro', 'data:/b', '/c', 'data2:/d:rw'] }).storage).toEqual([
      { type: 'bind', source: '/host', target: '/a', readOnly: true },
      { type: 'named', name: 'data', target: '/b', readOnly: false },
      { type: 'anonymous', target: '/c' },
      { type: 'named', name: 'data2', target: '/d', readOnly: false },
    ]);
    expect(parse({ resources: { cpu: '0.5' } }).resources.cpu).toBe(0.5);
    expect(parse({ lifecycle: { maxLifetime: '1d' } }).lifecycle.maxLifetime).toBe(86_400_000);
  });

  it('comes out in one form, which is read as it is', () => {
    const spec = parse({
      env: ['A=1'],
      ports: ['1-3:1-3'],
      storage: ['x:/y'],
      resources: { cpu: '2' },
      labels: ['a=b'],
    });
    expect(parseServiceSpec(spec)).toEqual(spec);
    expect(parseServiceSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });
});

describe('a mistake in a short form is named with its place', () => {
  it.each<[object, string]>([
    [{ env: ['A'] }, 'env[0]: "A" has no value'],
    [{ env: ['A=1', 'A=2'] }, 'env[1]: the variable "A" is given twice'],
    [{ env: ['=1'] }, 'the name of a variable'],
    [{ env: ['__proto__=1'] }, 'env[0]: this name is not allowed'],
    [{ env: { A: {} } }, 'env.A: expected string or number or boolean'],
    [{ labels: ['a b=c'] }, 'the name of a label'],
    [{ extraHosts: ['db:nowhere'] }, 'this is not an IP address'],
    [{ ports: ['80-82:80-81'] }, 'ports[0]: "80-82:80-81" is not a port mapping: its two ranges'],
    [{ ports: ['82-80'] }, 'ports[0]: "82-80" is not a port mapping: a range ends'],
    [{ ports: ['0-1:80-81'] }, '0 is any free port'],
    [{ ports: ['79:79', '78-80:80-82'] }, 'ports[1].hostPort: port 79/tcp of the host is taken by ports[0] already'],
    [{ ports: ['1-65535', '1-65535/udp'] }, 'ports: these are 131070 ports'],
    [{ sockets: ['/a'] }, 'sockets[0]: "/a" is not a socket mapping'],
    [{ sockets: ['a:/b'] }, 'sockets[0].hostPath: the path of a socket on the host is an absolute path'],
    [{ sockets: ['/a:b'] }, 'sockets[0].containerPath: the path of a socket in the container is an absolute path'],
    [{ sockets: [`/${'é'.repeat(52)}:/b`] }, 'sockets[0].hostPath: the path of a socket on the host has at most 103'],
    [{ sockets: ['/a:/b', '/a:/c'] }, 'sockets[1].hostPath: /a of the host is taken by sockets[0] already'],
    [{ storage: ['./a:/b'] }, 'storage[0]: "./a:/b" begins with a relative path'],
    [{ storage: ['/a:/b:rx'] }, 'storage[0]: "/a:/b:rx" is not a mount'],
    [{ storage: ['/a:b'] }, 'storage[0].target: the target of a mount is an absolute path'],
    [{ storage: ['bad name:/b'] }, 'storage[0].name'],
    [{ resources: { cpu: '1e3' } }, 'resources.cpu'],
    [{ resources: { cpu: '0' } }, 'resources.cpu'],
  ])('%j', (part, message) => {
    expect(() => parseServiceSpec({ image: 'a', ...part })).toThrow(message);
  });
});

it('a list of variables means what the object means', () => {
  const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/);
  const value = fc.string().filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.dictionary(name, value), (env) => {
      const list = Object.entries(env).map(([key, text]) => `${key}=${text}`);
      expect(parse({ env: list })).toEqual(parse({ env: { ...env } }));
    }),
  );
});
