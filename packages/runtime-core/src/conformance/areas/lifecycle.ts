import { expect } from 'vitest';
import { START_STAGES } from '../../start-report.ts';
import type { Bench } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import { OutputRecord } from '../output-record.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

/** One container through its whole life, looked at on the way. */
async function live(bench: Bench) {
  const { runtime } = bench;
  const spec = bench.shell('untilTerm', { labels: { purpose: 'conformance' } });
  const before = Date.now();
  const container = await bench.create(spec);
  const created = await settle(runtime.inspectContainer(container));
  const listed = await settle(runtime.listContainers());
  const stopBefore = await settle(runtime.stopContainer(container));
  const output = new OutputRecord(runtime.attachContainer(container, { signal: bench.signal }));
  const report = await settle(runtime.startContainer(container));
  await output.shows('ready');
  const running = await settle(runtime.inspectContainer(container));
  const startAgain = await settle(runtime.startContainer(container));
  const removeRunning = await settle(runtime.removeContainer(container));
  const stillRunning = await settle(runtime.containerState(container));
  const stop = await settle(runtime.stopContainer(container));
  const stopped = await settle(runtime.inspectContainer(container));
  const stopAgain = await settle(runtime.stopContainer(container));
  const restart = await settle(runtime.startContainer(container));
  const restarted = await settle(runtime.inspectContainer(container));
  const force = await settle(runtime.removeContainer(container, { force: true }));
  const removeAgain = await settle(runtime.removeContainer(container));
  const gone = await settle(runtime.containerState(container));
  const listedAfter = await settle(runtime.listContainers());
  return {
    container,
    before,
    created,
    listed,
    stopBefore,
    report,
    running,
    startAgain,
    removeRunning,
    stillRunning,
    stop,
    stopped,
    stopAgain,
    restart,
    restarted,
    force,
    removeAgain,
    gone,
    listedAfter,
  };
}

/** Creating, starting, stopping, removing, in order and out of order. Starts two containers, one of them twice. */
export function lifecycle(suite: Suite): void {
  suite.area('lifecycle', () => {
    const life = suite.shared(live);

    suite.test('a created container is pending and says what it was made from', async () => {
      const { created, container, before } = await life();
      const { id, instance, state, spec, imageDigest, createdAt, startedAt, endedAt, exit } = created.value ?? {};
      expect(created.error).toBeUndefined();
      expect({ id, instance, state }).toEqual({
        id: { service: container.service, replica: container.replica },
        instance: container.instance,
        state: { status: 'pending' },
      });
      expect(spec?.labels).toEqual({ purpose: 'conformance' });
      expect(imageDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(createdAt?.getTime()).toBeGreaterThanOrEqual(before - 1);
      expect({ startedAt, endedAt, exit }).toEqual({ startedAt: undefined, endedAt: undefined, exit: undefined });
    });

    suite.test('a created container is listed', async () => {
      const { listed, container } = await life();
      expect(listed.value).toContainEqual(
        expect.objectContaining({ instance: container.instance, state: { status: 'pending' } }),
      );
    });

    suite.test('stopping a container that was never started has nothing to do', async () => {
      expect((await life()).stopBefore).toEqual({ value: undefined });
    });

    suite.test('a start reports how long its stages took', async () => {
      const { report } = await life();
      expect(report.value?.warnings).toEqual(expect.any(Array));
      const stages = Object.entries(report.value?.stages ?? {});
      expect(stages.length).toBeGreaterThan(0);
      for (const [stage, milliseconds] of stages) {
        expect(START_STAGES).toContain(stage);
        expect(milliseconds).toBeGreaterThanOrEqual(0);
      }
    });

    suite.test('a started container runs and says since when', async () => {
      const { running, before } = await life();
      expect(running.value?.state).toEqual({ status: 'running' });
      expect(running.value?.startedAt?.getTime()).toBeGreaterThanOrEqual(before - 1);
      expect(running.value?.exit).toBeUndefined();
    });

    suite.test('starting a running container is a CONFLICT and leaves it running', async () => {
      const { startAgain, stillRunning } = await life();
      expect(startAgain.error).toMatchObject({ code: 'CONFLICT' });
      expect(stillRunning.value).toEqual({ status: 'running' });
    });

    suite.test('removing a running container is a CONFLICT and leaves it running', async () => {
      const { removeRunning, stillRunning } = await life();
      expect(removeRunning.error).toMatchObject({ code: 'CONFLICT' });
      expect(stillRunning.value).toEqual({ status: 'running' });
    });

    suite.test('stopping sends SIGTERM and keeps how the process answered', async () => {
      const { stop, stopped } = await life();
      expect(stop).toEqual({ value: undefined });
      expect(stopped.value?.state).toEqual({ status: 'exited', exitCode: 7 });
      expect(stopped.value?.exit).toEqual({ reason: 'exited', exitCode: 7 });
      const { startedAt, endedAt } = stopped.value ?? {};
      expect(endedAt?.getTime()).toBeGreaterThanOrEqual(startedAt?.getTime() ?? Number.POSITIVE_INFINITY);
    });

    suite.test('stopping a stopped container has nothing to do', async () => {
      expect((await life()).stopAgain).toEqual({ value: undefined });
    });

    suite.test('a stopped container starts again as the same instance', async () => {
      const { restart, restarted, container } = await life();
      expect(restart.error).toBeUndefined();
      expect(restarted.value).toMatchObject({ instance: container.instance, state: { status: 'running' } });
      expect(restarted.value?.exit).toBeUndefined();
    });

    suite.test('force removes a running container', async () => {
      const { force, gone, listedAfter, container } = await life();
      expect(force).toEqual({ value: undefined });
      expect(gone.error).toMatchObject({ code: 'NOT_FOUND' });
      expect(listedAfter.value).not.toContainEqual(expect.objectContaining({ instance: container.instance }));
    });

    suite.test('removing a removed container has nothing to do', async () => {
      expect((await life()).removeAgain).toEqual({ value: undefined });
    });

    suite.test('an id that is in use is ALREADY_EXISTS, and its container stays as it is', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      const { service, replica, instance } = container;
      await expectError(bench.create(bench.shell('exit41'), { service, replica }), 'ALREADY_EXISTS');
      expect(await bench.runtime.inspectContainer({ service, replica })).toMatchObject({ instance });
    });

    suite.test('a program that does not exist fails the start and leaves nothing running', async (bench) => {
      const container = await bench.create({ ...bench.shell('exit0'), command: { args: ['/no/such/program'] } });
      const error = await expectError(bench.runtime.startContainer(container), 'START_FAILED');
      expect(error.message).toContain('/no/such/program');
      expect(await bench.runtime.containerState(container)).toMatchObject({ status: 'failed' });
      const result = await bench.runtime.waitContainer(container);
      expect(result).toMatchObject({ reason: 'runtime-error', exitCode: undefined });
    });

    suite.test('getOrCreateContainer gives the container that is there, unless its spec is another', async (bench) => {
      const id = bench.id();
      const first = await bench.runtime.getOrCreateContainer(id, bench.shell('exit0'));
      expect(await bench.runtime.getOrCreateContainer(id, bench.shell('exit0'))).toEqual(first);
      await expectError(bench.runtime.getOrCreateContainer(id, bench.shell('exit41')), 'CONFLICT');
      expect(await bench.runtime.inspectContainer(id)).toMatchObject({ instance: first.instance });
    });

    suite.testWith('containers.rename', 'a renamed container is the same under its new id alone', async (bench) => {
      const { instance, ...former } = await bench.create(bench.shell('exit0'));
      const taken = await bench.create(bench.shell('exit0'));
      const id = bench.id();
      await expectError(bench.runtime.renameContainer(former, taken), 'ALREADY_EXISTS');
      await bench.runtime.renameContainer(former, id);
      expect(await bench.runtime.inspectContainer(id)).toMatchObject({ id, instance });
      await expectError(bench.runtime.containerState(former), 'NOT_FOUND');
    });

    suite.test('pruning removes what does not run, and nothing else', async (bench) => {
      const pending = await bench.create(bench.shell('exit0'));
      const { container: running } = await bench.start(bench.shell('untilTerm'));
      const removed = await bench.runtime.pruneContainers();
      expect(removed).toContainEqual({ service: pending.service, replica: pending.replica });
      expect(removed).not.toContainEqual({ service: running.service, replica: running.replica });
      await expectError(bench.runtime.containerState(pending), 'NOT_FOUND');
      expect(await bench.runtime.containerState(running)).toEqual({ status: 'running' });
    });

    suite.test('a container that deletes itself on exit is gone when it has ended', async (bench) => {
      const spec = bench.shell('exit41', { lifecycle: { deleteOnExit: true } });
      const container = await bench.create(spec);
      const removed = bench.runtime.waitContainer(container, { condition: 'removed' });
      await bench.runtime.startContainer(container);
      expect(await removed).toEqual({ reason: 'exited', exitCode: 41 });
      await expectError(bench.runtime.containerState(container), 'NOT_FOUND');
    });
  });
}
