import { connectVsock, listenVsock } from '@zlayer/host';
import type { ControlChannel } from './control-channel.ts';

/** Unix sockets of a machine. */
export interface VsockPlaces {
  /** Where vhost-device-vsock takes calls to the guest, and the beginning of those where it brings the guest's. */
  vsock: string;
  /** Where callers are taken to it, by a program that bears with those who die. */
  door: string;
}

/** Over the Unix sockets that vhost-device-vsock serves for the guest. */
export function vsockChannel({ vsock, door }: VsockPlaces): ControlChannel {
  return {
    kind: 'vsock',
    connect: (port, options) => connectVsock(door, port, options),
    listen: (port, onConnection) => listenVsock(vsock, port, onConnection),
  };
}
