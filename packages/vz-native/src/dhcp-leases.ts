import { open } from 'node:fs/promises';
import { isIPv4 } from 'node:net';

/** Where the DHCP server of a Mac's NAT writes down what it has leased. */
export const LEASES_FILE = '/var/db/dhcpd_leases';

/** Its pool has some 250 addresses, so that it is far shorter. */
const MAX_FILE_BYTES = 1024 * 1024;

/** An address that the host's DHCP server has leased. */
export interface DhcpLease {
  /** In lower case, with all its zeros: `02:00:00:00:0a:01`. */
  mac: string;
  address: string;
  expiresAt: Date;
}

/**
 * Reads the leases out of the file's text; what is none is passed over, as are those that name no MAC but a DUID (their
 * `hw_address` begins with `ff,`).
 */
export function parseLeases(text: string): DhcpLease[] {
  return [...text.matchAll(/\{([^{}]*)\}/g)].flatMap(([, body = '']) => {
    const fields = new Map(
      body.split('\n').flatMap((line): [string, string][] => {
        const at = line.indexOf('=');
        return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()]];
      }),
    );
    const mac = macOf(fields.get('hw_address'));
    const address = fields.get('ip_address') ?? '';
    const seconds = /^0x[0-9a-f]{1,10}$/i.test(fields.get('lease') ?? '') ? Number(fields.get('lease')) : undefined;
    if (mac === undefined || !isIPv4(address) || seconds === undefined) return [];
    return [{ mac, address, expiresAt: new Date(seconds * 1000) }];
  });
}

/**
 * The address that the host's DHCP server has leased to a device: of several leases that hold, the newest. An address that has
 * meanwhile gone to another device is nobody's here. `undefined`: none, or there is no such file.
 */
export async function findLease(
  mac: string,
  { file = LEASES_FILE, now = new Date() }: { file?: string | undefined; now?: Date | undefined } = {},
): Promise<DhcpLease | undefined> {
  const wanted = macOf(`1,${mac}`);
  const leases = parseLeases(await readLeases(file)).filter(({ expiresAt }) => expiresAt > now);
  const newest = (some: DhcpLease[]): DhcpLease | undefined =>
    some.reduce<DhcpLease | undefined>(
      (best, one) => (best && best.expiresAt >= one.expiresAt ? best : one),
      undefined,
    );
  const own = newest(leases.filter((lease) => lease.mac === wanted));
  if (own === undefined) return undefined;
  return newest(leases.filter(({ address }) => address === own.address))?.mac === wanted ? own : undefined;
}

/** `1,` and six octets, which the server writes without their leading zeros. */
function macOf(text: string | undefined): string | undefined {
  const octets = /^1,((?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2})$/i.exec(text ?? '')?.[1]?.split(':');
  return octets?.map((octet) => octet.padStart(2, '0').toLowerCase()).join(':');
}

async function readLeases(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_FILE_BYTES), 0, MAX_FILE_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
