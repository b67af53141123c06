import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { qmpCommand } from '../qmp-client.ts';
import { callGuest, type GuestDoor } from './call-guest.ts';
import type { ControlChannel } from './control-channel.ts';
import { TOKEN_BYTES } from './proof.ts';
import { Turns } from './turns.ts';

/** The guest's end of the channel, and where it calls its host. Both exist on the channel's own network alone. */
const GUEST = { address: '10.0.2.15', port: 1024 };
const CALLS = '10.0.2.100';
const HOST = '127.0.0.1';
const KNOCKING_AT_ONCE = 2;
/** Of the device that only the agent has. A guest cannot have it twice. */
export const CHANNEL_MAC = '52:5a:4c:00:00:01';

export interface TcpChannelPaths {
  qmpSocket: string;
  /** 32 random bytes, mode 0600, in the machine's run directory: it goes when the machine goes. */
  token: string;
}

/** QEMU reads a comma as the end of an option's value, and two as one comma. */
const quoted = (value: string): string => value.replaceAll(',', ',,');

/**
 * A network device for the agent, whose network reaches nobody (`restrict`) and is reached at one port of the host, which
 * the kernel chooses; the token in the firmware's configuration; and a stream for each port at which the host takes calls.
 */
export function tcpChannelArguments(token: string, calls: readonly { port: number; path: string }[]): string[] {
  const netdev = [
    'user,id=channel,restrict=on,ipv6=off',
    `hostfwd=tcp:${HOST}:0-${GUEST.address}:${GUEST.port}`,
    ...calls.map(({ port }) => `guestfwd=tcp:${CALLS}:${port}-chardev:call${port}`),
  ];
  return [
    ...calls.flatMap(({ port, path }) => ['-chardev', `socket,id=call${port},path=${quoted(path)}`]),
    ...['-netdev', netdev.join(',')],
    ...['-device', `virtio-net-pci,netdev=channel,romfile=,mac=${CHANNEL_MAC}`],
    ...['-fw_cfg', `name=opt/zlayer/token,file=${quoted(token)}`],
  ];
}

/** What the agent is told on the kernel's command line. No secret is in it. */
export const TCP_CHANNEL_WORD = `zlayer.channel=${CHANNEL_MAC}`;

/** Makes a new machine's token. */
export async function writeToken(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(randomBytes(TOKEN_BYTES));
  } finally {
    await file.close();
  }
}

/** The channel of a machine that runs: QEMU itself is asked for the port, and the token read, when it is first needed. */
export function tcpChannel({ qmpSocket, token }: TcpChannelPaths): ControlChannel {
  let door: Promise<GuestDoor> | undefined;
  const find = async (): Promise<GuestDoor> => {
    const [port, secret] = await Promise.all([forwardedPort(qmpSocket), readFile(token)]);
    return { host: HOST, port, token: secret, turns: new Turns(KNOCKING_AT_ONCE) };
  };
  return {
    kind: 'tcp',
    connect: async (port, options: Cancellable = {}) => {
      options.signal?.throwIfAborted();
      door ??= find();
      const found = await door.catch((cause: unknown) => {
        door = undefined;
        const why = (cause as Error).message;
        throw new ZlayerError('NETWORK', `cannot reach port ${port} of the guest: ${why}`, { subject: token, cause });
      });
      return await callGuest(found, port, options);
    },
    listen: async (port) => {
      throw new ZlayerError('UNSUPPORTED', `the guest cannot call port ${port}: its machine runs without a vsock`, {
        remedy: 'Name the port when the machine is launched, or install vhost-device-vsock.',
      });
    },
  };
}

async function forwardedPort(qmpSocket: string): Promise<number> {
  const command = { 'command-line': 'info usernet' };
  const answer = String(await qmpCommand(qmpSocket, 'human-monitor-command', command, {}));
  const port = portIn(answer);
  if (port !== undefined) return port;
  throw new ZlayerError('INTERNAL', 'QEMU does not tell the port of its control channel', { subject: qmpSocket });
}

/** The port in QEMU's list of connections: `TCP[HOST_FORWARD]  15  127.0.0.1 40123  10.0.2.15  1024  0  0`. */
export function portIn(list: string): number | undefined {
  const line = list.split('\n').find((each) => each.includes('[HOST_FORWARD]') && each.includes(` ${GUEST.port} `));
  const port = Number(line?.trim().split(/\s+/)[3]);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}
