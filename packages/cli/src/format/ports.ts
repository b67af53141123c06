import type { PublishedPort } from '@zlayer/runtime-core';

/** `127.0.0.1:8080->80/tcp, …` */
export function formatPorts(ports: readonly PublishedPort[]): string {
  return ports.map((port) => `${formatHostPort(port)}->${port.containerPort}/${port.protocol}`).join(', ');
}

/** `127.0.0.1:8080`, `[::1]:8080` */
export function formatHostPort({ hostAddress, hostPort }: PublishedPort): string {
  return `${hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress}:${hostPort}`;
}
