import type { Socket } from 'node:net';
import type { VsockListener } from '@zlayer/host';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';

/**
 * How host and guest talk. `vsock`: over the guest's own socket family, with vhost-device-vsock beside QEMU. `tcp`: over a
 * forward from a random port of 127.0.0.1 to a network device that only the agent has; both sides prove a random token
 * first.
 */
export type ControlChannelKind = 'vsock' | 'tcp';

/** The way to one machine's guest. */
export interface ControlChannel {
  readonly kind: ControlChannelKind;
  connect(port: number, options?: Cancellable): Promise<Socket>;
  /** Takes the guest's calls to a port of its host. */
  listen(port: number, onConnection: (connection: Socket) => void): Promise<VsockListener>;
}

/** Overrides the default of the option `controlChannel`. */
export const CHANNEL_VARIABLE = 'ZLAYER_QEMU_CONTROL_CHANNEL';

const CHOICES = ['auto', 'vsock', 'tcp'] as const;
export type ControlChannelChoice = (typeof CHOICES)[number];

/**
 * What was asked for: the option, else the environment variable, else `auto`.
 *
 * @throws ZlayerError `INVALID_SPEC` for a word that is none of them.
 */
export function wantedChannel(option: ControlChannelChoice | undefined): ControlChannelChoice {
  const given = option ?? (process.env[CHANNEL_VARIABLE] || 'auto');
  const choice = CHOICES.find((known) => known === given);
  if (choice !== undefined) return choice;
  throw new ZlayerError('INVALID_SPEC', `there is no control channel ${JSON.stringify(given)}`, {
    subject: option === undefined ? CHANNEL_VARIABLE : 'controlChannel',
    remedy: `Use one of ${CHOICES.join(', ')}.`,
  });
}
