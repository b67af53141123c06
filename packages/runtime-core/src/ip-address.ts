import { z } from 'zod';

const v4 = z.ipv4();
const v6 = z.ipv6();

/** An IPv4 or IPv6 address in its one usual spelling (`::1` for `0:0:0:0:0:0:0:1`), or `undefined` for anything else. */
export function normalizeIpAddress(text: string): string | undefined {
  if (text.length > 45) return undefined;
  if (v4.safeParse(text).success) return text;
  return v6.safeParse(text).success ? new URL(`http://[${text}]`).hostname.slice(1, -1) : undefined;
}
