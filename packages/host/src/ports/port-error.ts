import { ZlayerError } from '@zlayer/runtime-core';
import { errorCode } from '../file-error.ts';
import { findPortHolder } from './port-holder.ts';

/** An address to listen on, for people. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The error for a port that could not be bound: `CONFLICT`, with its holder if that can be found out, else `NETWORK`. */
export async function bindError(
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
  cause: unknown,
): Promise<ZlayerError> {
  const subject = `${formatEndpoint(address, port)}/${protocol}`;
  const code = errorCode(cause);
  if (code === 'EADDRINUSE') {
    const holder = await findPortHolder(protocol, port);
    const who = holder === undefined ? 'another program' : `process ${holder.pid} (${holder.name})`;
    return new ZlayerError('CONFLICT', `cannot publish at ${subject}: ${who} has this port`, {
      subject,
      remedy: 'End it, or publish another host port; 0 takes a free one.',
      cause,
    });
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  const remedy =
    code === 'EACCES'
      ? 'Publish a host port from 1024 on.'
      : code === 'EADDRNOTAVAIL'
        ? 'Publish at an address that this machine has.'
        : undefined;
  return new ZlayerError('NETWORK', `cannot publish at ${subject}: ${why}`, { subject, remedy, cause });
}
