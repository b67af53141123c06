import { Duplex } from 'node:stream';
import { encodeFrame, FrameDecoder, TAGS } from '@zlayer/vzagent-proto';

const FIRST_EXTENSION_TAG = 32;

/** How an agent that knows tags 1 to 14 alone meets one that it does not know. */
export type Refusal = 'closes' | 'reports';

/**
 * A stream to an agent, with its extensions hidden: the first message from the host that has a tag of theirs is met
 * with the end of the connection, or an `Error` and the end. All else passes both ways.
 */
export async function withoutExtensions(connect: () => Promise<Duplex>, refusal: Refusal): Promise<Duplex> {
  const agent = (await connect()).pause();
  const decoder = new FrameDecoder({ direction: 'toGuest' });
  let isRaw = false;
  const host = new Duplex({
    read: () => void agent.resume(),
    write(chunk: Uint8Array, _encoding, done) {
      if (isRaw) return void agent.write(chunk, done);
      for (const message of decoder.push(chunk)) {
        const tag = TAGS[message.type];
        if (tag >= FIRST_EXTENSION_TAG) {
          if (refusal === 'reports') this.push(encodeFrame({ type: 'Error', message: `unknown tag ${tag}` }));
          agent.destroy();
          break;
        }
        isRaw = message.type === 'Forward';
        agent.write(encodeFrame(message));
      }
      done();
    },
    final: (done) => void agent.end(done),
    destroy(error, done) {
      agent.destroy();
      done(error);
    },
  });
  agent.on('data', (chunk: Uint8Array) => {
    if (!host.push(chunk)) agent.pause();
  });
  agent.on('error', (error) => host.destroy(error));
  agent.once('close', () => {
    if (!host.destroyed) host.push(null);
  });
  return host;
}
