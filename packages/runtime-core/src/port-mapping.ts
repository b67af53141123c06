import { ZlayerError } from './errors.ts';
import { normalizeIpAddress } from './ip-address.ts';
import { quote, subjectOf } from './quote.ts';

/** The protocols of ports. */
export const PORT_PROTOCOLS = ['tcp', 'udp'] as const;
/** One of the {@link PORT_PROTOCOLS}. */
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

const MAX_PORT = 65_535;
const PORTS = String.raw`\d{1,5}(?:-\d{1,5})?`;
const MAPPING = new RegExp(
  String.raw`^(?:(?:\[([0-9a-f]{0,4}:[0-9a-f:.]{1,40})\]|([0-9.]{7,15})):(?=[^:]*:))?` +
    String.raw`(?:(${PORTS}|):)?(${PORTS})(?:\/([a-z]{3}))?$`,
  'i',
);

/**
 * Reads Docker's short forms: `80`, `8080:80`, `127.0.0.1:8080:80`, `127.0.0.1::80`, `[::1]:53:53/udp`. Without a host
 * port any free one is taken; without an address it is 127.0.0.1, other than in Docker; without a protocol it is tcp.
 *
 * @throws ZlayerError `INVALID_SPEC`, also for ranges of ports, which {@link parsePortMappings} reads, and for host names.
 */
export function parsePortMapping(text: string | number): PortMapping {
  const [mapping, ...others] = parsePortMappings(text);
  if (mapping !== undefined && others.length === 0) return mapping;
  throw refusal(text, 'it is a range of ports, and one port is wanted');
}

/**
 * Reads the same forms and Docker's ranges: `8000-8002:80-82`, or `80-82` for any free ports. Both ranges are of the same
 * length. It gives a mapping for each port.
 *
 * @throws ZlayerError `INVALID_SPEC`
 */
export function parsePortMappings(text: string | number): PortMapping[] {
  const refuse = (why: string): never => {
    throw refusal(text, why);
  };
  const match = MAPPING.exec(String(text).trim());
  if (!match) return refuse('it is not made of an IP address, a host port, a container port and a protocol');
  const [, v6, v4, host = '', container = '', name = 'tcp'] = match;
  const hostAddress = normalizeIpAddress(v6 ?? v4 ?? DEFAULT_HOST_ADDRESS);
  if (hostAddress === undefined) return refuse(`${quote(v6 ?? v4)} is not an IP address`);
  const protocol = PORT_PROTOCOLS.find((known) => known === name.toLowerCase());
  if (protocol === undefined) return refuse(`the protocol ${quote(name)} is unknown`);
  const hostPorts = host === '' ? undefined : rangeOf(host);
  const containerPorts = rangeOf(container);
  if (hostPorts && hostPorts.last > MAX_PORT) return refuse(`${hostPorts.last} is not a port`);
  if (containerPorts.first < 1 || containerPorts.last > MAX_PORT) {
    return refuse(
      `${containerPorts.first < 1 ? containerPorts.first : containerPorts.last} is not a port of a container`,
    );
  }
  const count = lengthOf(containerPorts);
  if (count < 1 || (hostPorts && lengthOf(hostPorts) < 1)) return refuse('a range ends before it begins');
  if (hostPorts && lengthOf(hostPorts) !== count) return refuse('its two ranges are not of the same length');
  if (hostPorts && count > 1 && hostPorts.first === 0) return refuse('0 is any free port, and begins no range');
  return Array.from({ length: count }, (_, index) => ({
    hostAddress,
    hostPort: hostPorts === undefined ? 0 : hostPorts.first + index,
    containerPort: containerPorts.first + index,
    protocol,
  }));
}

interface PortRange {
  first: number;
  last: number;
}

function rangeOf(text: string): PortRange {
  const [first = '', last = first] = text.split('-');
  return { first: Number(first), last: Number(last) };
}

function lengthOf({ first, last }: PortRange): number {
  return last - first + 1;
}

function refusal(text: string | number, why: string): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `${quote(text)} is not a port mapping: ${why}`, {
    subject: subjectOf(text),
    remedy: 'Use [address:][host port:]container port[/tcp|/udp], such as 8080:80 or [::1]:53:53/udp.',
  });
}

/** The full short form: `127.0.0.1:8080:80/tcp`, `[::1]:53:53/udp`. */
export function formatPortMapping({ hostAddress, hostPort, containerPort, protocol }: PortMapping): string {
  const address = hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress;
  return `${address}:${hostPort}:${containerPort}/${protocol}`;
}
