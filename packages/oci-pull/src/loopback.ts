import { isIP } from 'node:net';

/** Whether a URL's host is this machine itself, by its name alone. */
export function isLoopback({ hostname }: URL): boolean {
  if (hostname === '[::1]' || hostname === 'localhost' || hostname.endsWith('.localhost')) return true;
  return isIP(hostname) === 4 && hostname.startsWith('127.');
}
