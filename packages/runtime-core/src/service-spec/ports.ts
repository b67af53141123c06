import { z } from 'zod';
import { DEFAULT_HOST_ADDRESS, PORT_PROTOCOLS, type PortMapping, parsePortMappings } from '../port-mapping.ts';
import { parsedBy } from './checked-by.ts';
import { MAX_ITEMS } from './limits.ts';
import { port } from './scalars.ts';
import { ipAddress } from './text.ts';

const protocol = z.enum(PORT_PROTOCOLS).default('tcp');

/** Docker's short text, also of a range; a container port alone; or the whole. */
const portMapping = z.union([
  z.string().transform(parsedBy(parsePortMappings)),
  z.number().transform(parsedBy(parsePortMappings)),
  z
    .strictObject({
      /** IPv4 or IPv6 address of the host. Default: 127.0.0.1; `0.0.0.0` and `::` let other machines in. */
      hostAddress: ipAddress.default(DEFAULT_HOST_ADDRESS),
      /** Default: 0, any free port. */
      hostPort: z.int().min(0).max(65_535).default(0),
      containerPort: port,
      protocol,
    })
    .transform((mapping): PortMapping[] => [mapping]),
]);

/** All of them, ranges written out. */
export const portMappings = z
  .array(portMapping)
  .max(MAX_ITEMS)
  .transform((groups, context): PortMapping[] => {
    const all = groups.flatMap((mappings, index) => mappings.map((mapping) => ({ mapping, index })));
    if (all.length > MAX_ITEMS) {
      const message = `these are ${all.length} ports, and at most ${MAX_ITEMS} are allowed`;
      context.issues.push({ code: 'custom', input: groups, message });
      return [];
    }
    refuseEqualHostPorts(all, (index, hostPort, message) => {
      context.issues.push({ code: 'custom', input: hostPort, path: [index, 'hostPort'], message });
    });
    return all.map(({ mapping }) => mapping);
  });

/** A port that a service offers to others, whether or not it is published on the host. */
export const endpoint = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'a name has 1 to 63 lower-case letters, digits or "-"'),
    protocol: z.enum(['tcp', 'udp', 'http', 'https']).default('tcp'),
    /** What others connect to. */
    port,
    /** What the workload listens on. Default: `port`. */
    targetPort: port.optional(),
  })
  .transform((parts) => ({ ...parts, targetPort: parts.targetPort ?? parts.port }));

const EVERY_ADDRESS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** Reports ports of the host that are taken twice: by the same address, or by all addresses of its family. */
function refuseEqualHostPorts(
  all: readonly { mapping: PortMapping; index: number }[],
  report: (index: number, hostPort: number, message: string) => void,
): void {
  const seen = new Map<string, { address: string; index: number }[]>();
  for (const { mapping, index } of all) {
    const { hostAddress: address, hostPort, protocol } = mapping;
    if (hostPort === 0) continue;
    const key = `${protocol} ${hostPort} ${address.includes(':')}`;
    const others = seen.get(key) ?? [];
    const clash = others.find(
      (other) => other.address === address || EVERY_ADDRESS.has(other.address) || EVERY_ADDRESS.has(address),
    );
    if (clash) {
      report(index, hostPort, `port ${hostPort}/${protocol} of the host is taken by ports[${clash.index}] already`);
    }
    seen.set(key, [...others, { address, index }]);
  }
}

/** Reports endpoints of the same name. */
export function refuseEqualNames({ value, issues }: z.core.ParsePayload<{ name: string }[]>): void {
  const seen = new Set<string>();
  for (const [index, { name }] of value.entries()) {
    if (seen.has(name)) {
      issues.push({ code: 'custom', input: name, path: [index, 'name'], message: `${name} is there twice` });
    }
    seen.add(name);
  }
}
