import { call, type Filter, only, type ProfileParameters, parseFilter, symbol } from './filter.ts';
import { profileError } from './profile-error.ts';
import { type Comment, type Expression, readExpressions } from './read-expressions.ts';

/** A rule of a profile. It matches if one of its operations and, unless there are none, one of its filters do. */
export interface ProfileRule {
  action: 'allow' | 'deny';
  /** Names such as `file-read-data`; `file-read*` stands for all that begin so, `default` for what no rule is about. */
  operations: readonly string[];
  filters: readonly Filter[];
  /** What `(with message "…")` adds to the log. */
  message: string | undefined;
  /** Where it begins; counts from 1. */
  line: number;
  /** As the profile writes it. */
  text: string;
  /** The nearest comment above it that has a line of its own. */
  section: string | undefined;
}

const OPERATION = /^[a-z][a-z0-9-]*\*?$/;

/**
 * Reads a profile into its rules, in their order.
 *
 * @throws ZlayerError `INVALID_SPEC` that names the line: the text is no profile, it uses what this package does not
 *   know (`define`, `import`, …), or a parameter is not set.
 */
export function parseProfile(text: string, parameters: ProfileParameters = {}): ProfileRule[] {
  const { expressions, comments } = readExpressions(text);
  const [version, ...rest] = expressions;
  if (version === undefined || !isVersion(version)) throw profileError(1, 'a profile begins with (version 1)');
  return rest.map((expression) => rule(expression, text, comments, parameters));
}

function isVersion(expression: Expression): boolean {
  const { name, rest } = call(expression);
  return name === 'version' && symbol(only(rest, expression)) === '1';
}

function rule(expression: Expression, text: string, comments: readonly Comment[], set: ProfileParameters): ProfileRule {
  const { name, rest } = call(expression);
  if (expression.kind !== 'list' || (name !== 'allow' && name !== 'deny')) {
    throw profileError(expression.line, `${name} is not known`);
  }
  const firstList = rest.findIndex(({ kind }) => kind !== 'symbol');
  const operations = (firstList < 0 ? rest : rest.slice(0, firstList)).map(symbol);
  const lists = firstList < 0 ? [] : rest.slice(firstList);
  const message = lists.find(isModifier);
  const filters = lists.filter((list) => list !== message).map((filter) => parseFilter(filter, set));
  if (operations.length === 0) throw profileError(expression.line, 'a rule names no operation');
  for (const operation of operations) {
    if (!OPERATION.test(operation)) throw profileError(expression.line, `${operation} is no operation`);
  }
  return {
    action: name,
    operations,
    filters,
    message: message === undefined ? undefined : messageOf(message),
    line: expression.line,
    text: text.slice(expression.start, expression.end),
    section: comments.findLast((comment) => comment.line < expression.line)?.text,
  };
}

function isModifier(expression: Expression): boolean {
  return call(expression).name === 'with';
}

function messageOf(modifier: Expression): string {
  const [kind, message, ...more] = call(modifier).rest;
  if (kind === undefined || symbol(kind) !== 'message' || message?.kind !== 'string' || more.length > 0) {
    throw profileError(modifier.line, 'the modifier is not (with message "…")');
  }
  return message.value;
}
