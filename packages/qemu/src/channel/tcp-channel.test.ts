import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CHANNEL_VARIABLE, wantedChannel } from './control-channel.ts';
import { portIn, tcpChannel, tcpChannelArguments, writeToken } from './tcp-channel.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tcp-channel-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

test('a token is random, private, and never replaces one that is in use', async () => {
  const path = join(directory, 'token');
  await writeToken(path);
  const first = await readFile(path);
  expect(first).toHaveLength(32);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await expect(writeToken(path)).rejects.toThrow('EEXIST');
  await writeToken(`${path}2`);
  expect((await readFile(`${path}2`)).equals(first)).toBe(false);
});

test('the device reaches nobody, is reached on loopback alone, and QEMU reads the token from a file', () => {
  const argv = tcpChannelArguments('/run,x/token', [{ port: 1025, path: '/run,x/vsock.sock_1025' }]);
  expect(argv).toContain('name=opt/zlayer/token,file=/run,,x/token');
  expect(argv).toContain('socket,id=call1025,path=/run,,x/vsock.sock_1025');
  const netdev = argv.find((argument) => argument.startsWith('user,'))?.split(',');
  expect(netdev).toContain('restrict=on');
  expect(netdev).toContain('hostfwd=tcp:127.0.0.1:0-10.0.2.15:1024');
});

test('the port is found in what QEMU says of its networks, or not at all', () => {
  const list = [
    'VLAN -1 (channel):',
    '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
    '  TCP[ESTABLISHED]   23       127.0.0.1 40000       10.0.2.15  1024     0     0',
    '  TCP[HOST_FORWARD]  15       127.0.0.1 40123       10.0.2.15  1024     0     0',
  ];
  expect(portIn(list.join('\r\n'))).toBe(40123);
  expect(portIn(list.slice(0, 3).join('\r\n'))).toBeUndefined();
});

test('a machine that is gone is an error that says so, and a later call asks again', async () => {
  const channel = tcpChannel({ qmpSocket: join(directory, 'qmp.sock'), token: join(directory, 'token') });
  const gone = { code: 'NETWORK', message: expect.stringContaining('ENOENT') };
  await expect(channel.connect(1024)).rejects.toMatchObject(gone);
  await expect(channel.connect(1024)).rejects.toMatchObject(gone);
  await expect(channel.listen(1025, () => {})).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('the option comes before the environment, and a word that is none is an error', () => {
  vi.stubEnv(CHANNEL_VARIABLE, '');
  expect(wantedChannel(undefined)).toBe('auto');
  vi.stubEnv(CHANNEL_VARIABLE, 'tcp');
  expect(wantedChannel(undefined)).toBe('tcp');
  expect(wantedChannel('vsock')).toBe('vsock');
  vi.stubEnv(CHANNEL_VARIABLE, 'udp');
  const wrong = { code: 'INVALID_SPEC', subject: CHANNEL_VARIABLE };
  expect(() => wantedChannel(undefined)).toThrow(expect.objectContaining(wrong));
});
