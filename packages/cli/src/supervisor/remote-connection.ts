import { Duplex } from 'node:stream';
import type { Cancellable, ContainerReference } from '@zlayer/runtime-core';
import { Inbox } from './inbox.ts';
import type { RemoteRequests } from './remote-requests.ts';
import { type ConnectEvent, ITEM_BYTES } from './runtime-protocol.ts';

/** A connection that the supervisor has made to a port of a container. */
export async function remoteConnection(
  requests: RemoteRequests,
  container: ContainerReference,
  port: number,
  { signal }: Cancellable,
): Promise<Duplex> {
  signal?.throwIfAborted();
  const connected = Promise.withResolvers<void>();
  const inbox = new Inbox<Uint8Array>((bytes) => requests.tell('grant', request.key, { channel: 'data', bytes }));
  const request = requests.open('connect', { args: [container, port] }, (event) => {
    const told = event as ConnectEvent;
    if (told.type === 'connected') connected.resolve();
    else if (told.type === 'ended') inbox.end();
    else inbox.push(told.data, told.data.byteLength + ITEM_BYTES);
  });
  const { key } = request;
  const settled = requests.settled(request, { signal });
  settled.then(
    () => inbox.end(),
    (error) => {
      connected.reject(error);
      inbox.end({ error });
    },
  );
  await connected.promise;
  const stream = new Duplex({
    read: () => {
      inbox.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (error: Error) => stream.destroy(error),
      );
    },
    write: (data: Uint8Array, _encoding, done) => void requests.write(key, data).then(() => done(), done),
    final: (done) => void requests.control('end', key).then(() => done(), done),
    destroy: (error, done) => {
      requests.tell('cancel', key);
      done(error);
    },
  });
  return stream;
}
