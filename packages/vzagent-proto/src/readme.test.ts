import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { discriminantOf, type Fields, type FieldType, SCHEMA } from './schema.ts';

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');

test('the first example of the README runs and prints what the README says', async () => {
  const [example, output] = [codeBlock('ts'), codeBlock('text')];
  // The sources instead of the package's name: the example must hold for what is here, built or not.
  const source = new URL('./index.ts', import.meta.url).href;
  expect(example).toContain("from '@zlayer/vzagent-proto'");
  const folder = await mkdtemp(join(tmpdir(), 'vzagent-proto-readme-'));
  try {
    const file = join(folder, 'example.mts');
    await writeFile(file, example.replaceAll("'@zlayer/vzagent-proto'", `'${source}'`));
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    expect(stdout).toBe(output);
  } finally {
    await rm(folder, { recursive: true });
  }
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

function codeBlock(language: string): string {
  const block = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(readme)?.[1];
  if (block === undefined) throw new Error(`README.md has no block of ${language}`);
  return block;
}
