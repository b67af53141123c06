import { profileError } from './profile-error.ts';
import type { Expression } from './read-expressions.ts';

/** What a rule is limited to. */
export type Filter =
  | { kind: 'literal' | 'subpath' | 'prefix' | 'path-ancestors'; path: string }
  | { kind: 'regex'; pattern: RegExp }
  | { kind: 'vnode-type'; type: string }
  | { kind: 'address'; side: 'local' | 'remote'; protocol: 'ip' | 'tcp' | 'udp'; host: string; port: string }
  | { kind: 'unix-socket'; side: 'local' | 'remote'; filters: Filter[] }
  | { kind: 'target'; target: string }
  | { kind: 'name'; type: string; value: string; prefix: boolean }
  | { kind: 'require-all' | 'require-any' | 'require-not'; filters: Filter[] };

/** Values of `(param "NAME")`, as `sandbox-exec -D NAME=VALUE` sets them. */
export type ProfileParameters = Readonly<Record<string, string>>;

const PATH_FILTERS = ['literal', 'subpath', 'prefix', 'path-ancestors'] as const;
const COMBINATIONS = ['require-all', 'require-any', 'require-not'] as const;
const PROTOCOLS = ['ip', 'tcp', 'udp'] as const;
const NAME_FILTERS = new Set([
  'global-name',
  'local-name',
  'xpc-service-name',
  'iokit-user-client-class',
  'iokit-registry-entry-class',
  'iokit-property',
  'preference-domain',
  'sysctl-name',
  'socket-domain',
  'extension',
]);

/** @throws ZlayerError `INVALID_SPEC` that names the line, for filters that this package does not know too. */
export function parseFilter(expression: Expression, parameters: ProfileParameters): Filter {
  const { name, rest } = call(expression);
  const path = PATH_FILTERS.find((kind) => kind === name);
  if (path !== undefined) return { kind: path, path: value(only(rest, expression), parameters) };
  const combination = COMBINATIONS.find((kind) => kind === name);
  if (combination !== undefined) return { kind: combination, filters: filters(rest, expression, parameters) };
  if (name === 'regex') return { kind: 'regex', pattern: regex(only(rest, expression)) };
  if (name === 'vnode-type') return { kind: 'vnode-type', type: symbol(only(rest, expression)) };
  if (name === 'target') return { kind: 'target', target: symbol(only(rest, expression)) };
  if (name === 'local' || name === 'remote') return networkFilter(name, rest, expression, parameters);
  const type = name.replace(/-prefix$/, '');
  if (!NAME_FILTERS.has(type)) throw profileError(expression.line, `the filter ${name} is not known`);
  const named = only(rest, expression);
  return {
    kind: 'name',
    type,
    value: named.kind === 'symbol' ? named.value : value(named, parameters),
    prefix: type !== name,
  };
}

function networkFilter(
  side: 'local' | 'remote',
  rest: readonly Expression[],
  whole: Expression,
  parameters: ProfileParameters,
): Filter {
  const [first, ...others] = rest;
  const what = first === undefined ? '' : symbol(first);
  if (what === 'unix-socket') return { kind: 'unix-socket', side, filters: filters(others, whole, parameters, 0) };
  const protocol = PROTOCOLS.find((known) => known === what);
  if (protocol === undefined) throw profileError(whole.line, `${side} is of ip, tcp, udp or unix-socket`);
  const address = value(only(others, whole), parameters);
  const parts = /^(\*|localhost):(\*|[0-9]{1,5})$/.exec(address);
  const [, host, port] = parts ?? [];
  // Seatbelt knows no other hosts; it refuses the whole profile.
  if (host === undefined || port === undefined) {
    throw profileError(whole.line, 'an address is * or localhost, a colon, and a port or *');
  }
  return { kind: 'address', side, protocol, host, port };
}

function filters(
  expressions: readonly Expression[],
  whole: Expression,
  parameters: ProfileParameters,
  atLeast = 1,
): Filter[] {
  if (expressions.length < atLeast) throw profileError(whole.line, 'a filter is missing');
  return expressions.map((expression) => parseFilter(expression, parameters));
}

/** A list that begins with a symbol. */
export function call(expression: Expression): { name: string; rest: readonly Expression[] } {
  if (expression.kind !== 'list') throw profileError(expression.line, 'a list is expected');
  const [first, ...rest] = expression.items;
  if (first === undefined) throw profileError(expression.line, 'a list is empty');
  return { name: symbol(first), rest };
}

export function only(rest: readonly Expression[], whole: Expression): Expression {
  const [first] = rest;
  if (first === undefined || rest.length !== 1) throw profileError(whole.line, 'one argument is expected');
  return first;
}

export function symbol(expression: Expression): string {
  if (expression.kind !== 'symbol') throw profileError(expression.line, 'a symbol is expected');
  return expression.value;
}

function regex(expression: Expression): RegExp {
  if (expression.kind !== 'regex') throw profileError(expression.line, 'a regular expression is expected');
  try {
    return new RegExp(expression.value);
  } catch {
    throw profileError(expression.line, 'the regular expression cannot be read');
  }
}

function value(expression: Expression, parameters: ProfileParameters): string {
  if (expression.kind === 'string') return expression.value;
  const { name, rest } = call(expression);
  const key = only(rest, expression);
  if (name !== 'param' || key.kind !== 'string') throw profileError(expression.line, 'a string is expected');
  const set = Object.hasOwn(parameters, key.value) ? parameters[key.value] : undefined;
  if (set === undefined) throw profileError(expression.line, `the parameter ${key.value} is not set`);
  return set;
}
