import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARCHITECTURES } from '@zlayer/runtime-core';
import { expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { agentPath, agentVersion } from '../src/agent.ts';

it.each(ARCHITECTURES)('compiles the %s agent to the same small program in any folder', async (architecture) => {
  const folder = await mkdtemp(join(tmpdir(), 'vzagent-build-'));
  try {
    const copy = join(folder, 'elsewhere');
    await cp(join(import.meta.dirname, '../agent'), copy, { recursive: true });
    const sources = (await readdir(copy)).filter((name) => name.endsWith('.c'));
    const macros = { VZAGENT_VERSION: JSON.stringify(await agentVersion()) };
    const output = join(folder, 'agent');
    await compileStatic(architecture, sources.reverse(), copy, output, macros);
    const program = await readFile(output);
    expect(program.equals(await readFile(agentPath(architecture)))).toBe(true);
    expect(program.length).toBeLessThan(150_000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
