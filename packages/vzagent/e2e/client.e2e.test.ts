import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileStatic } from '../build/toolchain.ts';
import { agentVersion } from '../src/agent.ts';
import { resolveGuest } from '../src/index.ts';
import { testClient } from './testing/client-suite.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { Machine } from './testing/machine.ts';
import { NamespaceAgent, namespacesAreMissing } from './testing/namespace-agent.ts';

const missing = namespacesAreMissing();

describe.skipIf(missing !== undefined)(
  `the client and the agent in namespaces, under sanitizers${missing ? ` (${missing})` : ''}`,
  () => {
    let agent: NamespaceAgent;

    beforeAll(async () => {
      agent = await NamespaceAgent.start({ programs: ['sockets'] });
    });

    afterAll(async () => {
      await agent?.[Symbol.asyncDispose]();
    });

    testClient(() => ({
      stream: () => agent.stream(),
      noMachine: 'a guest alone has limits and a clock of its own',
    }));

    it('has ended by itself, and no sanitizer found anything', async () => {
      expect(await agent.exited).toBe(0);
      expect(agent.errors).not.toMatch(/Sanitizer|runtime error/);
    });
  },
);

describe('the client and a guest on amd64', () => {
  const architecture = 'amd64';
  let folder: string;
  let machine: Machine;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-client-'));
    const rootfs = join(folder, 'rootfs');
    await makeContainerRoot(rootfs, architecture);
    await compileStatic(architecture, ['sockets.c'], join(import.meta.dirname, 'testing'), join(rootfs, 'bin/sockets'));
    machine = await Machine.boot({ ...(await resolveGuest({ architecture })), rootfs });
  });

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it('says which release it is of', async () => {
    expect((await machine.client().hello()).software).toBe(`vzagent/${await agentVersion()}`);
  });

  testClient(() => ({ stream: () => machine.stream() }));

  it('has powered off', async () => {
    expect(await machine.exited).toBe(0);
  });
});
