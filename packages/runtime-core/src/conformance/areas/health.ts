import { expect } from 'vitest';
import type { HealthStatus } from '../../events.ts';
import type { ServiceSpecInput } from '../../service-spec.ts';
import { type Bench, shellCommand } from '../bench.ts';
import type { Suite } from '../suite.ts';

const QUICK = { interval: 100, retries: 2 };

/** Health checks, and what is made of them. Starts up to four containers. */
export function health(suite: Suite): void {
  suite.area('health', () => {
    suite.testWith(
      'containers.healthChecks',
      'a check by command makes a container healthy, and unhealthy',
      async (bench) => {
        const { runtime } = bench;
        const command = shellCommand('isThere', ['/tmp/well']);
        const healthCheck = { ...QUICK, command, startPeriod: '1h' };
        const { container, output } = await bench.start(bench.shell('wellUntilUsr1', { healthCheck }));
        await output.shows('ready');
        await reported(bench, container.instance, 'healthy');
        expect((await runtime.inspectContainer(container)).health).toBe('healthy');
        await runtime.killContainer(container, 'USR1');
        await reported(bench, container.instance, 'unhealthy');
        expect((await runtime.inspectContainer(container)).health).toBe('unhealthy');
        expect(await runtime.containerState(container), 'health is told and does nothing').toEqual({
          status: 'running',
        });
        await runtime.stopContainer(container);
        expect(statuses(bench, container.instance)).toEqual(['starting', 'healthy', 'unhealthy']);
        expect((await runtime.inspectContainer(container)).health).toBeUndefined();
      },
    );

    const kinds: Readonly<Record<string, [good: Check, bad: Check]>> = {
      'over TCP': [{ tcp: { port: 7780 } }, { tcp: { port: 7781 } }],
      'over HTTP': [{ http: { port: 7780 } }, { http: { port: 7780, path: '/missing' } }],
    };
    for (const [kind, [good, bad]] of Object.entries(kinds)) {
      suite.testWith(
        'containers.healthChecks',
        `a check ${kind} tells a service that answers from one that does not`,
        async (bench) => {
          const well = await bench.start(bench.shell('httpServer', { healthCheck: { ...QUICK, ...good } }));
          const sick = await bench.start(bench.shell('httpServer', { healthCheck: { ...QUICK, ...bad } }));
          await reported(bench, well.container.instance, 'healthy');
          await reported(bench, sick.container.instance, 'unhealthy');
          expect(statuses(bench, sick.container.instance)).toEqual(['starting', 'unhealthy']);
        },
      );
    }

    suite.testWith('containers.healthChecks', 'a check that does not end in time has failed', async (bench) => {
      const healthCheck = { ...QUICK, command: shellCommand('ignoreTerm'), timeout: 100 };
      const { container } = await bench.start(bench.shell('untilTerm', { healthCheck }));
      await reported(bench, container.instance, 'unhealthy');
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'running' });
    });

    suite.testWith('containers.healthChecks', 'failures in the start period do not count', async (bench) => {
      const healthCheck = { ...QUICK, command: shellCommand('isThere', ['/no/such/file']), startPeriod: '1h' };
      const { container, output } = await bench.start(bench.shell('untilTerm', { healthCheck }));
      await output.shows('ready');
      await new Promise((resolve) => setTimeout(resolve, bench.lab.silenceMs));
      expect(statuses(bench, container.instance)).toEqual(['starting']);
      expect((await bench.runtime.inspectContainer(container)).health).toBe('starting');
    });
  });
}

type Check = Pick<NonNullable<ServiceSpecInput['healthCheck']>, 'tcp' | 'http'>;

function statuses({ lab }: Bench, instance: string): HealthStatus[] {
  return lab.events.of(instance).flatMap((event) => (event.type === 'health' ? [event.status] : []));
}

async function reported({ lab }: Bench, instance: string, status: HealthStatus): Promise<void> {
  await lab.events.matches(instance, (event) => event.type === 'health' && event.status === status);
}
