/** Writes what is made of the schema: the guest's C codec and the tables of the README. */
import { writeFile } from 'node:fs/promises';
import { generatedFiles } from './generated-files.ts';

for (const { path, content } of await generatedFiles()) await writeFile(path, content);
