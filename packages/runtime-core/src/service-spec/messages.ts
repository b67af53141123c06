import type { z } from 'zod';
import { quote } from '../quote.ts';
import { nearest } from './nearest.ts';

/** What is said of a value that is missing, of another type, or none of the words that are allowed. */
export const messages: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'it is missing' : `expected ${issue.expected}, not ${kindOf(issue.input)}`;
    case 'invalid_value':
      return noneOf(issue.input, issue.values);
    case 'invalid_union':
      return Array.isArray(issue.options) && issue.discriminator !== undefined
        ? noneOf((issue.input as Record<string, unknown>)[issue.discriminator], issue.options)
        : undefined;
    default:
      return undefined;
  }
};

function noneOf(value: unknown, values: readonly unknown[]): string {
  const words = values.map(String);
  if (value === undefined) return `it is missing; use ${words.join(', ')}`;
  const shown = typeof value === 'string' ? quote(value) : kindOf(value);
  const meant = typeof value === 'string' ? nearest(value, words) : undefined;
  return `${shown} is none of ${words.join(', ')}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' && !Number.isInteger(value)) return String(value);
  return typeof value === 'object' ? 'an object' : typeof value;
}
