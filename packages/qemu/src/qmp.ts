import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { ZlayerError } from '@zlayer/runtime-core';

const TIMEOUT_MS = 10_000;
const MAX_LINE = 1024 * 1024;

/**
 * Runs one command of the QEMU Machine Protocol on a connection of its own: greeting, negotiation, command, answer.
 * Events in between are passed over.
 *
 * @throws ZlayerError `INTERNAL` when QEMU refuses the command or goes away, `TIMEOUT` after 10 s.
 */
export async function qmpCommand(socketPath: string, command: string): Promise<unknown> {
  const socket = createConnection(socketPath);
  try {
    return await converse(socket, command);
  } catch (cause) {
    if (cause instanceof ZlayerError) throw cause;
    throw new ZlayerError('INTERNAL', `QEMU did not carry out ${command}: ${(cause as Error).message}`, {
      subject: socketPath,
      cause,
    });
  } finally {
    socket.destroy();
  }
}

async function converse(socket: Socket, command: string): Promise<unknown> {
  socket.setTimeout(TIMEOUT_MS, () => {
    socket.destroy(new ZlayerError('TIMEOUT', `QEMU did not answer ${command} within ${TIMEOUT_MS / 1000} s`));
  });
  // `readline` ends quietly when its input fails, so the failure is kept and thrown at the end.
  let failure: Error | undefined;
  socket.once('error', (error) => {
    failure = error;
  });
  let pending = ['qmp_capabilities', command];
  for await (const line of createInterface({ input: socket })) {
    if (line.length > MAX_LINE) throw new Error('its answer is too long');
    const message = JSON.parse(line) as { QMP?: unknown; error?: { desc?: string }; return?: unknown };
    if (message.error) throw new Error(message.error.desc ?? 'it refused');
    if (message.QMP === undefined && message.return === undefined) continue;
    if (message.return !== undefined && pending.length === 0) return message.return;
    const [next, ...rest] = pending;
    pending = rest;
    socket.write(`${JSON.stringify({ execute: next })}\n`);
  }
  throw failure ?? new Error('it closed the connection');
}
