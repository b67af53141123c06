import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SCHEMA } from '../src/schema.ts';
import { cHeader } from './c-header.ts';
import { cModel } from './c-model.ts';
import { cTables } from './c-tables.ts';
import { withTables } from './readme-tables.ts';

const root = join(import.meta.dirname, '..');
const agent = join(root, '../vzagent/agent');

/** Every file that follows from the schema, as it should be. */
export async function generatedFiles(): Promise<{ path: string; content: string }[]> {
  const model = cModel(SCHEMA);
  const readme = join(root, 'README.md');
  return [
    { path: join(agent, 'message.h'), content: cHeader(model) },
    { path: join(agent, 'message.c'), content: cTables(model) },
    { path: readme, content: withTables(await readFile(readme, 'utf8'), SCHEMA) },
  ];
}
