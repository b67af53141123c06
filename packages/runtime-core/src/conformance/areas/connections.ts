import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { isZlayerError } from '../../errors.ts';
import type { Bench, Subject } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

const PORT = 7777;

/** Ports of a container: reached without being published, and published. Starts up to two containers. */
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

    suite.testWith('network.containerIp', 'a running container has an IP address', async (bench) => {
      const { container } = await bench.start(bench.shell('untilTerm'));
      expect(await bench.runtime.getContainerIp(container)).toMatch(/^[0-9a-f.:]+$/);
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
