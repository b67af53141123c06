import { expect } from 'vitest';
import { isActive } from '../../container-state.ts';
import type { Runtime } from '../../runtime.ts';
import type { ServiceSpecInput } from '../../service-spec.ts';
import type { Bench, Subject } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import { OutputRecord } from '../output-record.ts';
import type { Suite } from '../suite.ts';

/** What a program leaves behind, and what the next one finds. Starts up to five containers. */
export function recovery(suite: Suite): void {
  const keep = { lifecycle: { onOwnerExit: 'keep' } } as const;
  const stop = { lifecycle: { onOwnerExit: 'stop' } } as const;

  suite.area('recovery', () => {
    suite.testWith(
      ['containers.recover', 'containers.keep'],
      'a kept container runs on without its program',
      async (bench) => {
        await using earlier = await reopened(bench);
        const { container, output } = await startIn(earlier, bench, bench.shell('untilTerm', keep));
        await output.shows('ready');
        await earlier.close();
        await using later = await reopened(bench);
        const found = await later.recover();
        expect(found).toContainEqual(
          expect.objectContaining({ instance: container.instance, state: { status: 'running' } }),
        );
        expect(await later.recover(), 'it is found once').toEqual([]);
        await using third = await reopened(bench);
        expect((await third.recover()).map(({ instance }) => instance)).not.toContain(container.instance);
        expect(await logOf(later, container)).toBe('ready\n');
        await later.killContainer(container, 'TERM');
        expect(await later.waitContainer(container, { signal: bench.signal })).toEqual({
          reason: 'exited',
          exitCode: 7,
        });
        await later.removeContainer(container);
        await expectError(later.containerState(container), 'NOT_FOUND');
      },
    );

    suite.testWith(
      ['containers.recover', 'containers.keep'],
      'how a kept container ended is known, though nobody saw it',
      async (bench) => {
        await using earlier = await reopened(bench);
        const { container, output } = await startIn(earlier, bench, bench.shell('exit41Later', keep));
        await output.shows('waiting');
        await earlier.close();
        await new Promise((resolve) => setTimeout(resolve, bench.lab.silenceMs));
        await using later = await reopened(bench);
        await later.recover();
        expect(await later.waitContainer(container, { signal: bench.signal })).toEqual({
          reason: 'exited',
          exitCode: 41,
        });
        expect(await logOf(later, container)).toBe('waiting\n');
        await later.removeContainer(container);
      },
    );

    suite.testWith(
      'containers.recover',
      'a container that is not kept ends with its program, and is found ended',
      async (bench) => {
        await using earlier = await reopened(bench);
        const { container } = await startIn(earlier, bench, bench.shell('untilTerm', stop));
        const pending = await createIn(earlier, bench, bench.shell('exit0'));
        await earlier.close();
        await using later = await reopened(bench);
        const states = new Map((await later.recover()).map(({ instance, state }) => [instance, state]));
        expect(isActive(states.get(container.instance)?.status ?? 'running')).toBe(false);
        expect(states.get(pending.instance)).toEqual({ status: 'pending' });
        await later.startContainer(pending);
        expect(await later.waitContainer(pending, { signal: bench.signal })).toEqual({ reason: 'exited', exitCode: 0 });
        await later.removeContainer(container);
        await later.removeContainer(pending);
      },
    );

    suite.testWith('containers.recover', 'containers of a program that is alive are left to it', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      await using other = await reopened(bench);
      expect((await other.recover()).map(({ instance }) => instance)).not.toContain(container.instance);
      const { service, replica } = container;
      await expectError(other.createContainer({ service, replica }, bench.shell('exit0')), 'ALREADY_EXISTS');
      expect(await bench.runtime.containerState(container)).toEqual({ status: 'pending' });
    });

    suite.testWith('containers.keep', 'closing a runtime twice is closing it once', async (bench) => {
      if (!bench.lab.reopen) return;
      const runtime = await bench.lab.reopen();
      await runtime.close();
      await runtime.close();
    });
  });
}

async function reopened({ lab }: Bench): Promise<Runtime> {
  if (lab.reopen) return lab.reopen();
  throw new Error('a runtime that declares containers.recover needs reopen');
}

async function createIn(runtime: Runtime, bench: Bench, spec: ServiceSpecInput): Promise<Subject> {
  const id = bench.id();
  const { instance } = await runtime.createContainer(id, spec, { signal: bench.signal });
  return { ...id, instance };
}

async function startIn(
  runtime: Runtime,
  bench: Bench,
  spec: ServiceSpecInput,
): Promise<{ container: Subject; output: OutputRecord }> {
  const container = await createIn(runtime, bench, spec);
  const output = new OutputRecord(runtime.attachContainer(container, { signal: bench.signal }));
  await runtime.startContainer(container, { signal: bench.signal });
  return { container, output };
}

async function logOf(runtime: Runtime, container: Subject): Promise<string> {
  return Buffer.concat((await runtime.containerLogs(container)).map(({ data }) => data)).toString();
}
