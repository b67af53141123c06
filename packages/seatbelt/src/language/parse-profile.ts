import { call, type Filter, only, type ProfileParameters, parseFilter, symbol } from './filter.ts';
import { profileError } from './profile-error.ts';
import { type Comment, type Expression, readExpressions } from './read-expressions.ts';

/** A rule of a profile. It matches if one of its operations and, unless there are none, one of its filters do. */
export interface ProfileRule {
  action: 'allow' | 'deny';
  /** Names such as `file-read-data`; `file-read*` stands for all that begin so, `default` for what no rule is about. */
  operations: readonly string[];
  filters: readonly Filter[];
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
  const firstFilter = rest.findIndex(({ kind }) => kind !== 'symbol');
  const operations = (firstFilter < 0 ? rest : rest.slice(0, firstFilter)).map(symbol);
  const filters = firstFilter < 0 ? [] : rest.slice(firstFilter).map((filter) => parseFilter(filter, set));
  if (operations.length === 0) throw profileError(expression.line, 'a rule names no operation');
  for (const operation of operations) {
    if (!OPERATION.test(operation)) throw profileError(expression.line, `${operation} is no operation`);
  }
  return {
    action: name,
    operations,
    filters,
    line: expression.line,
    text: text.slice(expression.start, expression.end),
    section: comments.findLast((comment) => comment.line < expression.line)?.text,
  };
}
