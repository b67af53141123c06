import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import { agentPath, agentVersion, krunInitPath } from '../src/agent.ts';
import { compileStatic } from './toolchain.ts';

// Compiles the guest's programs for every architecture into `dist/guest`.
const folder = join(import.meta.dirname, '../agent');
const krunInit = join(import.meta.dirname, '../krun-init');
const macros = { VZAGENT_VERSION: JSON.stringify(await agentVersion()) };
const sources = (await readdir(folder)).filter((name) => name.endsWith('.c'));

for (const architecture of ARCHITECTURES) {
  const output = agentPath(architecture);
  await mkdir(join(output, '..'), { recursive: true });
  await compileStatic(architecture, sources, folder, output, macros);
  await compileStatic(architecture, ['main.c'], krunInit, krunInitPath(architecture));
  console.log(`${architecture} agent: ${(await stat(output)).size} bytes`);
}
