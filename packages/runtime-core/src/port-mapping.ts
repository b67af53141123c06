import { ZlayerError } from './errors.ts';
import { normalizeIpAddress } from './ip-address.ts';
import { quote, subjectOf } from './quote.ts';

export const PORT_PROTOCOLS = ['tcp', 'udp'] as const;
export type PortProtocol = (typeof PORT_PROTOCOLS)[number];

/** A port of a container that is reachable at a port of the host. */
export interface PortMapping {
  /** IPv4 or IPv6 address of the host to listen on: `127.0.0.1`, `0.0.0.0`, `::`. */
  hostAddress: string;
  /** 0 takes any free port. */
  hostPort: number;
  containerPort: number;
  protocol: PortProtocol;
}

/** Where ports are published when nothing is said: not for other machines to reach. */
export const DEFAULT_HOST_ADDRESS = '127.0.0.1';

const MAPPING =
  /^(?:(?:\[([0-9a-f]{0,4}:[0-9a-f:.]{1,40})\]|([0-9.]{7,15})):(?=[^:]*:))?(?:(\d{0,5}):)?(\d{1,5})(?:\/([a-z]{3}))?$/i;

/**
 * Reads Docker's short forms: `80`, `8080:80`, `127.0.0.1:8080:80`, `127.0.0.1::80`, `[::1]:53:53/udp`. Without a host
 * port any free one is taken; without an address it is 127.0.0.1, other than in Docker; without a protocol it is tcp.
 *
 * @throws ZlayerError `INVALID_SPEC`, also for ranges of ports and for host names.
 */
export function parsePortMapping(text: string | number): PortMapping {
  const refuse = (why: string): never => {
    throw new ZlayerError('INVALID_SPEC', `${quote(text)} is not a port mapping: ${why}`, {
      subject: subjectOf(text),
      remedy: 'Use [address:][host port:]container port[/tcp|/udp], such as 8080:80 or [::1]:53:53/udp.',
    });
  };
  const match = MAPPING.exec(String(text).trim());
  if (!match) return refuse('it is not made of an IP address, a host port, a container port and a protocol');
  const [, v6, v4, host, container, name = 'tcp'] = match;
  const hostAddress = normalizeIpAddress(v6 ?? v4 ?? DEFAULT_HOST_ADDRESS);
  if (hostAddress === undefined) return refuse(`${quote(v6 ?? v4)} is not an IP address`);
  const protocol = PORT_PROTOCOLS.find((known) => known === name.toLowerCase());
  if (protocol === undefined) return refuse(`the protocol ${quote(name)} is unknown`);
  const hostPort = Number(host ?? 0);
  const containerPort = Number(container);
  if (hostPort > 65_535) return refuse(`${hostPort} is not a port`);
  if (containerPort < 1 || containerPort > 65_535) return refuse(`${containerPort} is not a port of a container`);
  return { hostAddress, hostPort, containerPort, protocol };
}

/** The full short form: `127.0.0.1:8080:80/tcp`, `[::1]:53:53/udp`. */
export function formatPortMapping({ hostAddress, hostPort, containerPort, protocol }: PortMapping): string {
  const address = hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress;
  return `${address}:${hostPort}:${containerPort}/${protocol}`;
}
