import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NamespaceAgent, namespacesAreMissing } from './testing/namespace-agent.ts';
import { type Host, testProtocol } from './testing/protocol-suite.ts';

const missing = namespacesAreMissing();

describe.skipIf(missing !== undefined)(
  `the agent in namespaces, under sanitizers${missing ? ` (${missing})` : ''}`,
  () => {
    let agent: NamespaceAgent;

    beforeAll(async () => {
      agent = await NamespaceAgent.start();
    });

    afterAll(async () => {
      await agent?.[Symbol.asyncDispose]();
    });

    testProtocol(
      (): Host => ({
        connect: () => agent.connect(),
        withoutLimits: 'limits are tested in guests: the controllers of this machine may belong to cgroup v1',
        executions: 125,
        bulk: 64 * 1024 * 1024,
      }),
    );

    it('has ended by itself, and no sanitizer found anything', async () => {
      expect(await agent.exited).toBe(0);
      expect(agent.errors).not.toMatch(/Sanitizer|runtime error/);
    });
  },
);
