import type { z } from 'zod';
import { quote } from '../quote.ts';
import { MAX_ITEMS, MAX_PROBLEMS } from './limits.ts';
import { nearest } from './nearest.ts';
import { type Path, placeOf, type SpecProblem } from './problems.ts';

type Schema = z.core.$ZodTypes;

/** A document with the keys that its schema has, and what was wrong with those it had. */
export interface CanonicalDocument {
  document: unknown;
  problems: SpecProblem[];
}

/**
 * Brings a document to the spelling of its schema: keys in snake_case become camelCase, and so do the words of
 * enumerations (`if_not_present`). What is data, such as the names of variables and labels, stays as it is. Unknown keys,
 * keys given in both spellings, and lists and objects that are too long are problems and left out. Only what the schema
 * knows is looked at, so a document cannot be too deep.
 */
export function canonicalKeys(schema: z.core.$ZodType, input: unknown): CanonicalDocument {
  const problems: SpecProblem[] = [];
  const report = (path: Path, message: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push({ place: placeOf(path), message });
  };
  return { document: canonical(schema, input, [], report), problems };
}

type Report = (path: Path, message: string) => void;

function canonical(wrapped: z.core.$ZodType, value: unknown, path: Path, report: Report): unknown {
  const schema = unwrap(wrapped, value);
  switch (schema?._zod.def.type) {
    case 'object':
      return isObject(value) ? canonicalObject(schema._zod.def.shape, value, path, report) : value;
    case 'record':
      return isObject(value) ? canonicalRecord(value, path, report) : value;
    case 'array': {
      if (!Array.isArray(value)) return value;
      const { element } = schema._zod.def;
      if (value.length > MAX_ITEMS) {
        report(path, `a list has at most ${MAX_ITEMS} items, this one has ${value.length}`);
        return [];
      }
      return Array.from(value, (item, index) => canonical(element, item, [...path, index], report));
    }
    case 'enum':
      return canonicalWord(Object.values(schema._zod.def.entries), value);
    default:
      return value;
  }
}

/** The schema that decides about the keys of a value: without its defaults and transforms, and of a union the member. */
function unwrap(wrapped: z.core.$ZodType, value: unknown): Schema | undefined {
  const schema = wrapped as Schema;
  const { def } = schema._zod;
  switch (def.type) {
    case 'optional':
    case 'default':
    case 'prefault':
      return unwrap(def.innerType, value);
    case 'pipe':
      return unwrap(def.in, value);
    case 'union':
      for (const option of def.options) {
        const member = unwrap(option, value);
        if (member && accepts(member, value)) return member;
      }
      return undefined;
    default:
      return schema;
  }
}

/** Whether a member of a union is the one for a value: of its kind, and with its `type` if it has one. */
function accepts({ _zod: { def } }: Schema, value: unknown): boolean {
  if (def.type === 'array') return Array.isArray(value);
  if (def.type === 'record') return isObject(value);
  if (def.type !== 'object' || !isObject(value)) return false;
  const type = (def.shape['type'] as Schema | undefined)?._zod.def;
  return type?.type !== 'literal' || type.values.includes(value['type'] as string);
}

function canonicalObject(
  shape: Readonly<Record<string, z.core.$ZodType>>,
  value: Readonly<Record<string, unknown>>,
  path: Path,
  report: Report,
): unknown {
  const keys = Object.keys(value);
  const known = new Map(Object.keys(shape).flatMap((key) => [[key, key] as const, [snakeCase(key), key] as const]));
  const found = new Map<string, { spelling: string; value: unknown }>();
  for (const spelling of keys.slice(0, MAX_ITEMS)) {
    const key = known.get(spelling);
    const schema = key === undefined ? undefined : shape[key];
    if (key === undefined || schema === undefined) {
      report([...path, spelling], unknownKey(spelling, Object.keys(shape)));
      continue;
    }
    const item = value[spelling];
    if (item === undefined) continue;
    const first = found.get(key);
    if (first) {
      report([...path, key], `it is given twice, as ${quote(first.spelling)} and as ${quote(spelling)}`);
      continue;
    }
    found.set(key, { spelling, value: canonical(schema, item, [...path, key], report) });
  }
  return Object.fromEntries([...found].map(([key, entry]) => [key, entry.value]));
}

function canonicalRecord(value: Readonly<Record<string, unknown>>, path: Path, report: Report): unknown {
  const entries = Object.entries(value);
  if (entries.length > MAX_ITEMS) {
    report(path, `it has at most ${MAX_ITEMS} entries, this one has ${entries.length}`);
    return {};
  }
  // zod leaves this key out without a word, and data may not be lost.
  if (Object.hasOwn(value, '__proto__')) report([...path, '__proto__'], 'this name is not allowed');
  return Object.fromEntries(entries);
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  if (meant === undefined) return 'unknown key';
  return `unknown key; did you mean ${quote(key.includes('_') ? snakeCase(meant) : meant)}?`;
}

function canonicalWord(words: readonly unknown[], value: unknown): unknown {
  if (typeof value !== 'string' || words.includes(value)) return value;
  return words.find((word) => typeof word === 'string' && snakeCase(word) === value) ?? value;
}

/** `readOnly` → `read_only`, `on-failure` → `on_failure`. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
