import { connectVsock, listenVsock } from '@zlayer/host';
import type { ControlChannel } from './control-channel.ts';

/** Over the Unix socket that vhost-device-vsock serves for the guest. */
export function vsockChannel(socketPath: string): ControlChannel {
  return {
    kind: 'vsock',
    connect: (port, options) => connectVsock(socketPath, port, options),
    listen: (port, onConnection) => listenVsock(socketPath, port, onConnection),
  };
}
