import { z } from 'zod';
import { normalizeIpAddress } from '../ip-address.ts';
import { MAX_TEXT } from './limits.ts';

/** A text without NUL, which would cut it short where a program reads it. */
export const withoutNul = (what: string) =>
  z
    .string()
    .max(MAX_TEXT, `${what} has at most ${MAX_TEXT} characters`)
    .refine((text) => !text.includes('\0'), `${what} may not contain NUL`);

/** A name of one line, for places where a line break would begin another entry. */
export const plainName = (what: string, pattern: RegExp, rule: string) => z.string().regex(pattern, `${what} ${rule}`);

/** An IPv4 or IPv6 address, in its one usual spelling. */
export const ipAddress = z.string().transform((text, context): string => {
  const address = normalizeIpAddress(text);
  if (address !== undefined) return address;
  context.issues.push({ code: 'custom', input: text, message: 'this is not an IP address' });
  return text;
});

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';

/** A host name with or without domain, as DNS allows it. */
export const domainName = (what: string, longest: number) =>
  z
    .string()
    .max(longest, `${what} has at most ${longest} characters`)
    .regex(
      new RegExp(`^${LABEL}(?:\\.${LABEL})*$`),
      `${what} is made of letters, digits and "-", in parts of at most 63 characters with "." between them`,
    );
