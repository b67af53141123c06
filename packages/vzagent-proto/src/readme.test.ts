import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readmeBlock, runReadmeExample } from '@zlayer/test-support';
import { expect, test } from 'vitest';
import { discriminantOf, type Fields, type FieldType, SCHEMA } from './schema.ts';

const README = join(import.meta.dirname, '..', 'README.md');
const readme = await readFile(README, 'utf8');

test('the first example of the README runs and prints what the README says', async () => {
  const result = await runReadmeExample(join(import.meta.dirname, '..'));
  expect(result).toEqual({ code: 0, stdout: await readmeBlock(README, 'text'), stderr: '' });
});

test("the README's tables say what the schema says", () => {
  const messages = SCHEMA.map(({ tag, name, direction, fields }) =>
    row([String(tag), String(discriminantOf(tag)), `\`${name}\``, ARROWS[direction], list(fields)]),
  );
  expect(readme).toContain(['|---|---|---|---|---|', ...messages, ''].join('\n'));
  for (const peers of structs(SCHEMA.flatMap(({ fields }) => Object.values<FieldType>(fields)))) {
    expect(readme).toContain(`\`${peers.struct}\` = ${list(peers.fields)}`);
  }
});

const ARROWS = { toGuest: 'host → guest', toHost: 'guest → host', both: 'both' };

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function list(fields: Fields): string {
  const parts = Object.entries(fields).map(([name, type]) => `\`${name}: ${show(type)}\``);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function show(type: FieldType): string {
  if (typeof type === 'string') return type;
  if ('option' in type) return `${show(type.option)}?`;
  if ('list' in type) return `${show(type.list)}[]`;
  if ('tuple' in type) return `(${type.tuple.map(show).join(', ')})`;
  return type.struct;
}

function structs(types: readonly FieldType[]): { struct: string; fields: Fields }[] {
  return types.flatMap((type) => {
    if (typeof type === 'string') return [];
    if ('struct' in type) return [type, ...structs(Object.values(type.fields))];
    if ('tuple' in type) return structs(type.tuple);
    return structs(['list' in type ? type.list : type.option]);
  });
}
