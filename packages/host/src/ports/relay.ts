import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Carries bytes between a client and a container's port, both ways, each at the pace of its reader, until both ways have
 * ended. The end of one way is passed on and leaves the other open. A failure on either side resets the client.
 */
export function relay(client: Socket, target: Duplex): void {
  let failed = false;
  const fail = (): void => {
    failed = true;
    reset(client);
    target.destroy();
  };
  client.on('error', () => target.destroy()).on('close', () => leave(client, target));
  target.on('error', fail).on('close', () => {
    if (failed || client.destroyed) return;
    if (target.readableEnded) finish(client, target);
    else fail();
  });
  client.pipe(target);
  target.pipe(client);
}

/** A client that is gone without having been heard to the end takes the other side along. */
function leave(client: Socket, target: Duplex): void {
  if (!client.readableEnded || !target.readableEnded) target.destroy();
}

/** The container has said all, and listens no more: the client gets all of it, and what it still says goes nowhere. */
function finish(client: Socket, target: Duplex): void {
  if (client.readableEnded) return;
  client.unpipe(target);
  client.resume();
  client.destroySoon();
}

/** Ends a client's connection in a way that it cannot take for an orderly end, where the protocol knows such a way. */
export function reset(client: Socket): void {
  if (client.localPort === undefined) client.destroy();
  else client.resetAndDestroy();
}
