import { z } from 'zod';
import { quote } from '../quote.ts';
import { MAX_ITEMS, MAX_TEXT } from './limits.ts';

type Text = z.ZodType<string, string>;

const entry = z.string().max(MAX_TEXT);

/**
 * Texts by name, such as variables: as an object, or as a list of `NAME=value`. It comes out as an object; numbers and
 * booleans, which YAML makes of what looks like one, become text.
 */
export function namedTexts(
  what: string,
  { name, value, separator }: { name: Text; value: Text; separator: '=' | ':' },
) {
  const scalar = z.union([value, z.number().transform(String).pipe(value), z.boolean().transform(String).pipe(value)]);
  const list = z
    .array(entry)
    .max(MAX_ITEMS)
    .transform((lines, context): Record<string, string> => {
      const entries = new Map<string, string>();
      for (const [index, line] of lines.entries()) {
        const at = line.indexOf(separator);
        const key = line.slice(0, at);
        const refuse = (message: string): void => {
          context.issues.push({ code: 'custom', input: line, path: [index], message });
        };
        if (at < 0) refuse(`${quote(line)} has no value: write NAME${separator}value`);
        else if (entries.has(key)) refuse(`${what} ${quote(key)} is given twice`);
        else if (key === '__proto__') refuse('this name is not allowed');
        else entries.set(key, line.slice(at + 1));
      }
      return Object.fromEntries(entries);
    });
  return z.union([z.record(name, scalar), list.pipe(z.record(name, value))]);
}
