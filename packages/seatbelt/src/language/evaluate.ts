import type { Filter } from './filter.ts';
import { isLoopback } from './loopback.ts';
import type { ProfileRule } from './parse-profile.ts';

/** What a process asks the system for. */
export interface SandboxRequest {
  /** Such as `file-read-data`, `file-write-create`, `process-exec`, `network-outbound`, `mach-lookup`. */
  operation: string;
  /** The real path of the file, or of the Unix socket. */
  path?: string | undefined;
  /** What kind of file it is. Default: `REGULAR-FILE`. */
  vnodeType?: string | undefined;
  /** The local address of `network-bind` and `network-inbound`. */
  local?: SocketAddress | undefined;
  /** The remote address of `network-outbound`. */
  remote?: SocketAddress | undefined;
  /** The name of a service, class, property or domain, with the filter that it is for: `global-name`, … */
  name?: { type: string; value: string } | undefined;
  /** The process that a signal is for. */
  target?: 'self' | 'same-sandbox' | 'others' | undefined;
}

export interface SocketAddress {
  /** An IP address, without brackets. */
  host: string;
  port: number;
  /** Default: `tcp`. */
  protocol?: 'tcp' | 'udp' | undefined;
}

/** The rule that decides: the last one that matches, and the one for `default` if there is none. */
export function decidingRule(rules: readonly ProfileRule[], request: SandboxRequest): ProfileRule | undefined {
  return (
    rules.findLast(
      (rule) => rule.operations.some((name) => covers(name, request.operation)) && applies(rule, request),
    ) ?? rules.findLast((rule) => rule.operations.includes('default') && applies(rule, request))
  );
}

function covers(name: string, operation: string): boolean {
  return name.endsWith('*') ? operation.startsWith(name.slice(0, -1)) : name === operation;
}

function applies(rule: ProfileRule, request: SandboxRequest): boolean {
  return rule.filters.length === 0 || rule.filters.some((filter) => matches(filter, request));
}

function matches(filter: Filter, request: SandboxRequest): boolean {
  switch (filter.kind) {
    case 'require-all':
      return filter.filters.every((inner) => matches(inner, request));
    case 'require-any':
      return filter.filters.some((inner) => matches(inner, request));
    case 'require-not':
      return !filter.filters.some((inner) => matches(inner, request));
    case 'vnode-type':
      return request.path !== undefined && filter.type === (request.vnodeType ?? 'REGULAR-FILE');
    case 'target':
      return filter.target === request.target || (filter.target === 'same-sandbox' && request.target === 'self');
    case 'name':
      return matchesName(filter, request.name);
    case 'address':
      return matchesAddress(filter, request[filter.side]);
    case 'unix-socket':
      return (
        request.path !== undefined &&
        request.operation.startsWith('network-') &&
        (request.operation === 'network-outbound') === (filter.side === 'remote') &&
        (filter.filters.length === 0 || filter.filters.some((inner) => matches(inner, request)))
      );
    case 'regex':
      return request.path !== undefined && filter.pattern.test(request.path);
    default:
      return request.path !== undefined && matchesPath(filter.kind, filter.path, request.path);
  }
}

function matchesPath(kind: 'literal' | 'subpath' | 'prefix' | 'path-ancestors', rule: string, path: string): boolean {
  switch (kind) {
    case 'literal':
      return path === rule;
    case 'prefix':
      return path.startsWith(rule);
    case 'subpath':
      return isWithin(path, rule);
    case 'path-ancestors':
      return path !== rule && isWithin(rule, path);
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function matchesName(filter: Extract<Filter, { kind: 'name' }>, name: SandboxRequest['name']): boolean {
  if (name === undefined || name.type !== filter.type) return false;
  return filter.prefix ? name.value.startsWith(filter.value) : name.value === filter.value;
}

function matchesAddress(filter: Extract<Filter, { kind: 'address' }>, address: SocketAddress | undefined): boolean {
  if (address === undefined) return false;
  if (filter.protocol !== 'ip' && filter.protocol !== (address.protocol ?? 'tcp')) return false;
  if (filter.host === 'localhost' && !isLoopback(address.host)) return false;
  return filter.port === '*' || Number(filter.port) === address.port;
}
