import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { isZlayerError } from '../../errors.ts';
import { pseudoPid } from '../../pseudo-pid.ts';
import type { Bench, Subject } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

const PORT = 7777;

/** Ports of a container: reached without being published, and published. Starts up to six containers. */
export function connections(suite: Suite): void {
  suite.area('connections', () => {
    suite.testWith('network.connect', 'a port that is not published can be connected to', async (bench) => {
      const { container, output } = await bench.start(bench.shell('echoServer'));
      await output.shows('ready');
      const socket = await connected(bench, container);
      try {
        expect(await echo(socket, 'hello')).toBe('hello');
      } finally {
        socket.destroy();
      }
      await expectError(bench.runtime.connect(container, PORT + 1), 'NETWORK');
    });

    suite.testWith(
      'network.udp',
      'datagrams to a published UDP port reach the container and come back',
      async (bench) => {
        const { datagrams = '' } = bench.lab.images;
        expect(datagrams, 'a runtime that publishes UDP ports needs the image images.datagrams').not.toBe('');
        const { container, output } = await bench.start({ image: datagrams, ports: ['7778/udp'] });
        await output.shows('ready');
        const [mapping, ...others] = await bench.runtime.portMappings(container);
        expect(others).toEqual([]);
        expect(mapping).toMatchObject({ protocol: 'udp', containerPort: 7778, hostAddress: '127.0.0.1' });
        expect(await echoOverUdp(bench, mapping?.hostPort ?? 0)).toBe('hello');
      },
    );

    suite.testWith('network.publish', 'ports are published only while the container runs', async (bench) => {
      const [protocol] = bench.lab.capabilities.network.publish;
      const container = await bench.create(bench.shell('untilTerm', { ports: [`${PORT}/${protocol}`] }));
      expect(await bench.runtime.portMappings(container)).toEqual([]);
      await bench.runtime.startContainer(container);
      expect(await bench.runtime.portMappings(container)).toHaveLength(1);
      await bench.runtime.stopContainer(container, { timeoutMs: 0 });
      expect(await bench.runtime.portMappings(container)).toEqual([]);
    });

    suite.testWith(
      ({ network }) => network.publish.includes('tcp'),
      'a published port is reachable on the host as long as the container runs',
      async (bench) => {
        const { container, output } = await bench.start(bench.shell('echoServer', { ports: [PORT] }));
        await output.shows('ready');
        const [mapping, ...others] = await bench.runtime.portMappings(container);
        expect(others).toEqual([]);
        expect(mapping).toMatchObject({ protocol: 'tcp', containerPort: PORT, hostAddress: '127.0.0.1' });
        const { hostPort = 0, hostAddress } = mapping ?? {};
        expect(hostPort).toBeGreaterThan(0);
        expect(await echoOverTcp(bench, hostPort, hostAddress)).toBe('hello');
        const clash = await bench.create(bench.shell('exit0', { ports: [`${hostPort}:${PORT}`] }));
        const error = await expectError(bench.runtime.startContainer(clash), 'START_FAILED', 'CONFLICT');
        expect(error.message).toContain(String(hostPort));
        await bench.runtime.stopContainer(container, { timeoutMs: 0 });
        await expect(echo(connect(hostPort, hostAddress), 'hello')).rejects.toThrow();
      },
    );

    suite.testWith(
      'network.sockets',
      'a published socket leads into the container, and is there as long as it runs',
      async (bench) => {
        const { datagrams = '' } = bench.lab.images;
        expect(datagrams, 'a runtime that publishes sockets needs the image images.datagrams').not.toBe('');
        const directory = await mkdtemp(join(tmpdir(), 'zlayer-'));
        try {
          const path = join(directory, 's');
          const sockets = [`${path}:/tmp/echo.sock`];
          const { container, output } = await bench.start({ image: datagrams, sockets });
          await output.shows('ready');
          expect((await lstat(path)).isSocket()).toBe(true);
          expect(await echo(connect(path), 'hello')).toBe('hello');
          const clash = await bench.create({ image: datagrams, sockets });
          const error = await expectError(bench.runtime.startContainer(clash), 'START_FAILED', 'CONFLICT');
          expect(error.message).toContain(path);
          await bench.runtime.stopContainer(container, { timeoutMs: 0 });
          expect(await readdir(directory)).toEqual([]);
        } finally {
          await rm(directory, { recursive: true, force: true });
        }
      },
    );

    suite.testWith('network.containerIp', 'a running container has an IP address', async (bench) => {
      const { container } = await bench.start(bench.shell('untilTerm'));
      expect(isIP((await bench.runtime.getContainerIp(container)) ?? '')).not.toBe(0);
    });

    suite.test('a container has a number for where a process id is asked for, or none', async (bench) => {
      const { container } = await bench.start(bench.shell('untilTerm'));
      const pid = await bench.runtime.getContainerPid(container);
      if (pid !== undefined) {
        expect(Number.isInteger(pid)).toBe(true);
        expect(pid).toBeGreaterThan(1);
        expect(pid).toBeLessThan(2 ** 31);
        if (pid >= 2 ** 30) expect(pid).toBe(pseudoPid(container));
      }
      expect(await bench.runtime.getContainerPid(container)).toBe(pid);
      const port = await bench.runtime.getContainerPortOverride(container);
      if (port !== undefined) expect(port).toBeGreaterThan(0);
    });
  });
}

/** The server says that it is ready just before it listens. */
async function connected({ runtime, signal }: Bench, container: Subject): Promise<Duplex> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await runtime.connect(container, PORT, { signal });
    } catch (error) {
      if (!isZlayerError(error) || error.code !== 'NETWORK') throw error;
      await delay(50, undefined, { signal });
    }
  }
}

async function echoOverTcp({ signal }: Bench, port: number, host: string | undefined): Promise<string> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await echo(connect({ port, host }), 'hello');
    } catch {
      await delay(50, undefined, { signal });
    }
  }
}

/** The server says that it is ready just before it listens, and datagrams may be lost. */
async function echoOverUdp({ signal }: Bench, port: number): Promise<string> {
  const socket = createSocket('udp4');
  const again = setInterval(() => socket.send('hello', port, '127.0.0.1'), 100);
  try {
    const [data] = await once(socket, 'message', { signal });
    return String(data);
  } finally {
    clearInterval(again);
    socket.close();
  }
}

async function echo(socket: Duplex, message: string): Promise<string> {
  try {
    socket.write(message);
    const [data] = await Promise.race([
      once(socket, 'data'),
      once(socket, 'end').then(() => Promise.reject(new Error('the connection ended'))),
      once(socket, 'close').then(() => Promise.reject(new Error('the connection was closed'))),
    ]);
    return String(data);
  } finally {
    socket.destroy();
  }
}
