import { once } from 'node:events';
import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePortMapping } from '@zlayer/runtime-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publishPorts, publishWhatIsFree } from './publish-ports.ts';

const inner = {
  guest: () => {
    throw new Error('nobody listens');
  },
  use: () => () => {},
};

describe('publishing', () => {
  let directory: string;
  let other: Server;
  let taken: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'zl-'));
    other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    taken = (other.address() as AddressInfo).port;
  });
  afterEach(async () => {
    other.close();
    await rm(directory, { recursive: true, force: true });
  });

  const socketAt = (name: string) => ({ hostPath: join(directory, name), containerPath: '/s' });

  it('leaves nothing bound when one of all is taken', async () => {
    await writeFile(join(directory, 'file'), '');
    const sockets = [socketAt('free'), socketAt('file')];
    await expect(publishPorts({ ...inner, ports: [parsePortMapping(80)], sockets })).rejects.toMatchObject({
      code: 'CONFLICT',
      subject: join(directory, 'file'),
    });
    expect(await readdir(directory)).toEqual(['file']);
  });

  it('gives what is free back to a container that was found again, and names what is not', async () => {
    const lost: Error[] = [];
    const ports = [parsePortMapping(80), parsePortMapping(`${taken}:81`), parsePortMapping(82)];
    const published = await publishWhatIsFree({ ...inner, ports, sockets: [socketAt('free')] }, (error) =>
      lost.push(error),
    );
    expect(published.ports.map(({ containerPort }) => containerPort)).toEqual([80, 82]);
    expect(lost).toMatchObject([{ code: 'CONFLICT', message: expect.stringContaining(String(taken)) }]);
    for (const place of [{ port: published.ports[0]?.hostPort ?? 0 }, { path: join(directory, 'free') }]) {
      // Nobody listens in the guest, so it may be reset as soon as it was taken.
      const code = await new Promise<string | undefined>((resolve) => {
        const socket = connect(place, () => resolve(undefined));
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code)).on('connect', () => socket.destroy());
      });
      expect([undefined, 'ECONNRESET']).toContain(code);
    }
    await published.close();
    await expect(access(join(directory, 'free'))).rejects.toThrow();
  });
});
