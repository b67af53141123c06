import { quoteString } from '../language/quote-string.ts';
import type { Violation } from './violation.ts';

const NAME_FILTERS: Readonly<Record<string, string>> = {
  'mach-lookup': 'global-name',
  'iokit-open': 'iokit-user-client-class',
  'iokit-open-user-client': 'iokit-user-client-class',
  'iokit-open-service': 'iokit-registry-entry-class',
  'iokit-get-properties': 'iokit-property',
  'user-preference-read': 'preference-domain',
  'sysctl-read': 'sysctl-name',
};

/**
 * The rule that would allow what was denied, and nothing beside it that the profile language can tell apart. Read it
 * before you use it: the program chose what it asked for.
 *
 * An address becomes every host's, or this machine's, with its port: the language knows no others.
 */
export function allowingRule({ operation, subject }: Violation): string {
  const filter = filterFor(operation, subject);
  return filter === undefined ? `(allow ${operation})` : `(allow ${operation} ${filter})`;
}

function filterFor(operation: string, subject: string): string | undefined {
  if (subject === '') return undefined;
  const name = NAME_FILTERS[operation];
  if (name !== undefined) return `(${name} ${quoteString(subject)})`;
  if (operation.startsWith('network-')) return networkFilter(operation, subject);
  return subject.startsWith('/') ? `(literal ${quoteString(subject)})` : undefined;
}

function networkFilter(operation: string, subject: string): string | undefined {
  const side = operation === 'network-outbound' ? 'remote' : 'local';
  if (subject.startsWith('/')) return `(${side} unix-socket (literal ${quoteString(subject)}))`;
  const port = /:(\d{1,5}|\*)$/.exec(subject)?.[1];
  if (port === undefined) return undefined;
  const here = /^(?:(?:local|remote):)?(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?):/.test(subject);
  return `(${side} ip "${here ? 'localhost' : '*'}:${port}")`;
}
