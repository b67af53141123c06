import { discriminantOf, type Fields, type FieldType, type MessageSchema } from '../src/schema.ts';

const BEGIN = '<!-- generated: `pnpm --filter @zlayer/vzagent-proto generate` -->';
const END = '<!-- end of the generated part -->';
const ARROWS = { toGuest: 'host → guest', toHost: 'guest → host', both: 'both' };

/** The README with the tables of the schema between its two marks. */
export function withTables(readme: string, schema: readonly MessageSchema[]): string {
  const [before, rest] = readme.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the README lacks ${BEGIN} or ${END}`);
  return `${before}${BEGIN}\n\n${tables(schema)}\n\n${END}${after}`;
}

function tables(schema: readonly MessageSchema[]): string {
  const made = new Map<string, string>();
  for (const { fields } of schema) collect(fields, made);
  return [
    '| tag | discriminant | message | direction | fields |',
    '|---|---|---|---|---|',
    ...schema.map(({ tag, name, direction, fields }) =>
      row([String(tag), String(discriminantOf(tag)), `\`${name}\``, ARROWS[direction], list(fields)]),
    ),
    '',
    '| type | made of |',
    '|---|---|',
    ...[...made].map(([name, parts]) => row([`\`${name}\``, parts])),
  ].join('\n');
}

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
  return 'enum' in type ? type.enum : type.struct;
}

/** Adds the structs and enums that fields are made of, by name. */
function collect(fields: Fields, made: Map<string, string>): void {
  for (const type of Object.values(fields)) collectType(type, made);
}

function collectType(type: FieldType, made: Map<string, string>): void {
  if (typeof type === 'string') return;
  if ('option' in type) collectType(type.option, made);
  else if ('list' in type) collectType(type.list, made);
  else if ('tuple' in type) for (const part of type.tuple) collectType(part, made);
  else if ('enum' in type) made.set(type.enum, variants(type.variants));
  else {
    made.set(type.struct, list(type.fields));
    collect(type.fields, made);
  }
}

function variants(names: readonly string[]): string {
  return names.map((name, index) => `${index} \`${name}\``).join(', ');
}
