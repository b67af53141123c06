import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decidingRule } from './evaluate.ts';
import { parseProfile } from './parse-profile.ts';
import { quoteString } from './quote-string.ts';

function allowed(rules: string, operation: string, path?: string): boolean {
  return decidingRule(parseProfile(`(version 1)\n${rules}`), { operation, path })?.action === 'allow';
}

test('a quoted string is read as what it was, and the rules around it stay as they are', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const rules = parseProfile(
        `(version 1)(deny default)(allow file-read* (literal ${quoteString(text)}))(deny signal)`,
      );
      expect(rules.map((rule) => rule.operations)).toEqual([['default'], ['file-read*'], ['signal']]);
      expect(rules[1]?.filters).toEqual([{ kind: 'literal', path: text }]);
    }),
  );
});

test('the last rule that matches wins, and the default only where none does', () => {
  const rules = '(allow file* (subpath "/a")) (deny file-write* (subpath "/a/b")) (deny default)';
  expect(allowed(rules, 'file-write-data', '/a/c')).toBe(true);
  expect(allowed(rules, 'file-write-data', '/a/b/c')).toBe(false);
  expect(allowed(rules, 'file-read-data', '/a/b/c')).toBe(true);
  expect(allowed(rules, 'file-read-data', '/ab')).toBe(false);
  expect(allowed('(allow default) (deny signal)', 'mach-lookup')).toBe(true);
});

test('combined filters mean what they say', () => {
  const rules =
    '(allow file-read* (require-all (subpath "/a") (require-not (literal "/a/x")) (require-any (prefix "/a/x") (regex #"\\.y$"))))';
  expect(allowed(rules, 'file-read-data', '/a/x')).toBe(false);
  expect(allowed(rules, 'file-read-data', '/a/xx')).toBe(true);
  expect(allowed(rules, 'file-read-data', '/a/1.y')).toBe(true);
  expect(allowed(rules, 'file-read-data', '/a/1.z')).toBe(false);
});

test('ancestors of a path are those above it', () => {
  const rules = '(allow file-read-metadata (path-ancestors "/a/b/c"))';
  expect(
    ['/', '/a', '/a/b', '/a/b/c', '/a/c', '/a/b/c/d'].map((path) => allowed(rules, 'file-read-metadata', path)),
  ).toEqual([true, true, true, false, false, false]);
});

test.each([
  ['', 'line 1'],
  ['(version 2)', 'line 1'],
  ['(version 1)\n(allow', 'line 2'],
  ['(version 1)\n)', 'line 2'],
  ['(version 1)\n\n(allow file-read* (literal "x)', 'line 3'],
  ['(version 1) (allow)', 'line 1'],
  ['(version 1) (import "system.sb")', 'line 1'],
  ['(version 1) (allow Fault)', 'line 1'],
  ['(version 1) (allow file-read* (literal))', 'line 1'],
  ['(version 1) (allow file-read* (literal "a" "b"))', 'line 1'],
  ['(version 1) (allow file-read* (literal (param "X")))', 'line 1'],
  ['(version 1) (allow file-read* (literal (param "toString")))', 'line 1'],
  ['(version 1) (allow file-read* (nonsense "x"))', 'line 1'],
  ['(version 1) (allow file-read* (require-all))', 'line 1'],
  ['(version 1) (allow file-read* (regex #"("))', 'line 1'],
  ['(version 1) (allow network* (local ip "10.0.0.1:80"))', 'line 1'],
  ['(version 1) (allow network* (local sctp "*:80"))', 'line 1'],
  [`(version 1) ${'('.repeat(40)}`, 'line 1'],
])('what is no profile is refused by its line: %j', (text, subject) => {
  expect(() => parseProfile(text)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC', subject }));
});

test('any text is read or refused, and nothing else happens', () => {
  const piece = fc.constantFrom(
    '(',
    ')',
    '"',
    '\\',
    ';',
    '\n',
    ' ',
    '#"',
    'allow',
    'deny',
    'default',
    '(version 1)',
    'literal',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      try {
        parseProfile(`(version 1)${pieces.join('')}`);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_SPEC' });
      }
    }),
    { numRuns: 1000 },
  );
  expect(() => parseProfile(' '.repeat(2 ** 20 + 1))).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
});
