import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { PortMapping } from '@zlayer/runtime-core';
import { afterEach, expect, test } from 'vitest';
import type { DatagramChannel } from './datagram-channel.ts';
import { ALL_ADDRESSES, type PortConnector, PortPublisher, type PublishOptions } from './port-publisher.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server in the place of a container's program; the mapping's container port is its port. */
async function tcpServer(onConnection: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as { port: number }).port;
}

async function udpServer(answer: (data: Buffer) => Buffer | undefined): Promise<{ port: number; peers: Set<number> }> {
  const socket = createSocket('udp4');
  const peers = new Set<number>();
  socket.on('message', (data, peer) => {
    peers.add(peer.port);
    const text = answer(data);
    if (text) socket.send(text, peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  cleanups.push(() => socket.close());
  return { port: socket.address().port, peers };
}

const open = { streams: 0, channels: 0 };
const connector: PortConnector = {
  async stream(port, { signal }): Promise<Duplex> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    await once(socket, 'connect');
    open.streams += 1;
    socket.once('close', () => {
      open.streams -= 1;
    });
    return socket;
  },
  async datagrams(port): Promise<DatagramChannel> {
    const socket = createSocket('udp4');
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    open.channels += 1;
    return {
      send: (data) => socket.send(data),
      onMessage: (listener) => socket.on('message', listener),
      onClose: (listener) => socket.on('error', () => listener()),
      close: () => {
        open.channels -= 1;
        socket.close();
      },
    };
  },
};

async function publish(mapping: Partial<PortMapping>, options?: PublishOptions): Promise<PortPublisher> {
  const all = { hostAddress: '127.0.0.1', hostPort: 0, containerPort: 1, protocol: 'tcp', ...mapping } as const;
  const publisher = await PortPublisher.publish([all], connector, options);
  cleanups.push(() => publisher.close());
  return publisher;
}

const portOf = ({ ports }: PortPublisher): number => ports[0]?.hostPort ?? 0;

/** Not by iteration, which would destroy the socket when its reading side has ended. */
async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.resume();
  await once(socket, 'end');
  return text;
}

async function ask(peer: DatagramSocket, port: number, text: string, host = '127.0.0.1'): Promise<string> {
  const answer = once(peer, 'message');
  peer.send(text, port, host);
  return String((await answer)[0]);
}

function peerSocket(type: 'udp4' | 'udp6' = 'udp4'): DatagramSocket {
  const socket = createSocket(type);
  cleanups.push(() => socket.close());
  return socket;
}

test('a port is chosen and reported, and leads to the container', async () => {
  const containerPort = await tcpServer((socket) => socket.pipe(socket));
  const publisher = await publish({ containerPort });
  expect(publisher.ports).toEqual([
    { protocol: 'tcp', containerPort, hostAddress: '127.0.0.1', hostPort: expect.any(Number) },
  ]);
  const client = connect(portOf(publisher), '127.0.0.1');
  client.end('hello');
  expect(await readAll(client)).toBe('hello');
});

test('the end of one way leaves the other open, in both directions', async () => {
  const heard = Promise.withResolvers<string>();
  const containerPort = await tcpServer((socket) => {
    void (async () => {
      // Answers only once it has heard all, or says all before it has heard anything.
      const [first] = await once(socket, 'data');
      if (String(first) === 'early') {
        socket.end('bye');
        heard.resolve(await readAll(socket));
        return;
      }
      const rest = await readAll(socket);
      socket.end(`${first}${rest}`.toUpperCase());
    })();
  });
  const port = portOf(await publish({ containerPort }));
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  client.end('question');
  expect(await readAll(client)).toBe('QUESTION');
  const early = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  early.write('early');
  expect(await readAll(early)).toBe('bye');
  early.end('late');
  expect(await heard.promise).toBe('late');
});

test('a client gets the whole answer of a container that closes at once, as it came', { timeout: 20_000 }, async () => {
  const answer = Buffer.alloc(8e6, 'answer');
  const containerPort = await tcpServer((socket) => socket.once('data', () => socket.end(answer).destroySoon()));
  const closing: PortConnector = {
    ...connector,
    async stream(port) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
  };
  const mapping = { hostAddress: '127.0.0.1', hostPort: 0, containerPort, protocol: 'tcp' } as const;
  const publisher = await PortPublisher.publish([mapping], closing);
  cleanups.push(() => publisher.close());
  const client = connect({ port: portOf(publisher), host: '127.0.0.1', allowHalfOpen: true });
  client.write('question');
  await once(client, 'connect');
  client.pause();
  await delay(200);
  const text = await readAll(client);
  expect(text.length).toBe(answer.length);
  client.end();
});

test('a slow reader slows its writer down instead of filling memory', async () => {
  let sent = 0;
  const containerPort = await tcpServer((socket) => {
    const block = Buffer.alloc(64 * 1024);
    const push = (): void => {
      while (!socket.destroyed && sent < 256e6) {
        sent += block.length;
        if (!socket.write(block)) {
          socket.once('drain', push);
          return;
        }
      }
    };
    push();
  });
  const client = connect(portOf(await publish({ containerPort })), '127.0.0.1');
  await once(client, 'connect');
  client.pause();
  await delay(300);
  const stalled = sent;
  expect(stalled).toBeLessThan(64e6);
  client.resume();
  await delay(100);
  expect(sent).toBeGreaterThan(stalled);
  client.destroy();
});

test('thousands of connections at once all get through', { timeout: 60_000 }, async () => {
  const containerPort = await tcpServer((socket) => socket.pipe(socket));
  const port = portOf(await publish({ containerPort }));
  const clients = await Promise.all(
    Array.from({ length: 2000 }, async (_, i) => {
      const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      client.write(`${i} `);
      expect(String((await once(client, 'data'))[0])).toBe(`${i} `);
      return client;
    }),
  );
  const answers = await Promise.all(
    clients.map((client, i) => {
      client.end(`again ${i}`);
      return readAll(client);
    }),
  );
  expect(answers).toEqual(clients.map((_, i) => `again ${i}`));
  await delay(100);
  expect(open.streams).toBe(0);
});

test('a port that nobody listens on in the container resets the client', async () => {
  const containerPort = await tcpServer(() => undefined);
  await cleanups.pop()?.();
  const client = connect(portOf(await publish({ containerPort })), '127.0.0.1');
  client.write('x');
  await expect(once(client, 'close')).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('a reset on either side reaches the other', async () => {
  const containerPort = await tcpServer((socket) => {
    socket.once('data', (data) => {
      if (String(data) === 'reset') socket.resetAndDestroy();
    });
  });
  const port = portOf(await publish({ containerPort }));
  const client = connect(port, '127.0.0.1');
  client.write('reset');
  await expect(once(client, 'close')).rejects.toMatchObject({ code: 'ECONNRESET' });
  const leaver = connect(port, '127.0.0.1');
  leaver.write('stay');
  await once(leaver, 'connect');
  await delay(50);
  expect(open.streams).toBe(1);
  leaver.resetAndDestroy();
  await delay(50);
  expect(open.streams).toBe(0);
});

test('a port that is taken is an error that names the port and who has it, and nothing stays bound', async () => {
  const containerPort = await tcpServer(() => undefined);
  const free = portOf(await publish({}));
  await cleanups.pop()?.();
  const mappings = [free, containerPort].map((hostPort) => ({
    hostAddress: '127.0.0.1',
    hostPort,
    containerPort,
    protocol: 'tcp' as const,
  }));
  await expect(PortPublisher.publish(mappings, connector)).rejects.toMatchObject({
    code: 'CONFLICT',
    subject: `127.0.0.1:${containerPort}/tcp`,
    message: expect.stringContaining(`process ${process.pid} (`),
  });
  expect(portOf(await publish({ hostPort: free }))).toBe(free);
  await expect(publish({ hostAddress: '192.0.2.1' })).rejects.toMatchObject({ code: 'NETWORK' });
});

test('all addresses are IPv4 and IPv6 ones, with the same port', async () => {
  const containerPort = await tcpServer((socket) => socket.pipe(socket));
  const port = portOf(await publish({ containerPort, hostAddress: ALL_ADDRESSES }));
  for (const host of ['127.0.0.1', '::1']) {
    const client = connect(port, host);
    client.end(host);
    expect(await readAll(client)).toBe(host);
  }
  const { port: udpPort } = await udpServer((data) => data);
  const udp = portOf(await publish({ containerPort: udpPort, protocol: 'udp', hostAddress: ALL_ADDRESSES }));
  expect(await ask(peerSocket(), udp, 'four')).toBe('four');
  expect(await ask(peerSocket('udp6'), udp, 'six', '::1')).toBe('six');
});

test('each UDP peer gets its own answers, and a silent one is forgotten', async () => {
  const { port: containerPort, peers } = await udpServer((data) => Buffer.from(`re: ${data}`));
  const publisher = await publish({ containerPort, protocol: 'udp' }, { udpIdleMs: 100 });
  const port = portOf(publisher);
  const [one, two] = [peerSocket(), peerSocket()];
  const answers = await Promise.all([ask(one, port, '1'), ask(two, port, '2')]);
  expect(answers).toEqual(['re: 1', 're: 2']);
  expect(peers.size).toBe(2);
  expect(open.channels).toBe(2);
  await delay(60);
  expect(await ask(one, port, 'still')).toBe('re: still');
  expect(peers.size).toBe(2);
  await delay(60);
  expect(open.channels).toBe(1);
  await delay(150);
  expect(open.channels).toBe(0);
  expect(await ask(one, port, 'again')).toBe('re: again');
});

test('a flood of UDP peers takes bounded room', async () => {
  const { port: containerPort } = await udpServer((data) => data);
  const port = portOf(await publish({ containerPort, protocol: 'udp' }, { maxUdpSessions: 10 }));
  for (let i = 0; i < 50; i += 1) expect(await ask(peerSocket(), port, `${i}`)).toBe(`${i}`);
  expect(open.channels).toBeLessThanOrEqual(10);
});

test('closing ends listeners and connections, and the port can be had again at once', async () => {
  const containerPort = await tcpServer((socket) => socket.pipe(socket));
  const publisher = await publish({ containerPort });
  const port = portOf(publisher);
  const client = connect(port, '127.0.0.1');
  client.write('x');
  await once(client, 'data');
  const closed = once(client, 'close').catch(() => undefined);
  await publisher.close();
  await closed;
  await delay(20);
  expect(open.streams).toBe(0);
  expect(portOf(await publish({ containerPort, hostPort: port }))).toBe(port);
});
