import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const facts = join(import.meta.dirname, '../../../../shared/apple/libkrun-signatures.json');
/** What is known of the library lies beside the repository. */
const without = existsSync(facts) ? undefined : `${facts} is not there`;

/** Names of parameters and blanks say nothing of a call. */
const type = (text: string): string =>
  text
    .replace(/\b\w+(\[\])?$/, '$1')
    .replaceAll('[]', '*')
    .replaceAll(/\s+/g, '');

interface Declared {
  name: string;
  signature: string[];
}

function declared(): Declared[] {
  const header = readFileSync(join(import.meta.dirname, '../native/krun_api.h'), 'utf8').replaceAll(/\\\n/g, ' ');
  return [...header.matchAll(/F\((?:required|optional), (\w+), (\w+),\s+\(([^)]*)\)\)/g)].map(
    ([, result = '', name = '', parameters = '']) => ({
      name,
      signature: [result, ...(parameters === 'void' ? [] : parameters.split(',').map((one) => type(one.trim())))],
    }),
  );
}

it('every function of libkrun is called as its header declares it', ({ skip }) => {
  skip(without !== undefined, without);
  const known = JSON.parse(readFileSync(facts, 'utf8')) as Record<string, string[]>;
  const functions = declared();
  expect(functions.length).toBeGreaterThan(20);
  for (const { name, signature } of functions) {
    const [result = '', ...parameters] = known[name] ?? [];
    expect({ name, signature }).toEqual({ name, signature: [result, ...parameters.map((one) => type(one.trim()))] });
  }
});

it('every function of libkrun that is called is declared, so that none escapes the comparison', () => {
  const names = new Set(declared().map(({ name }) => name));
  const sources = ['machine.c', 'probe.c', 'library.c'].map((name) =>
    readFileSync(join(import.meta.dirname, '../native', name), 'utf8'),
  );
  const called = sources.flatMap((text) => [...text.matchAll(/(?:->|\.)(krun_\w+)/g)].map(([, name = '']) => name));
  expect(called.length).toBeGreaterThan(15);
  expect(called.filter((name) => !names.has(name))).toEqual([]);
});
