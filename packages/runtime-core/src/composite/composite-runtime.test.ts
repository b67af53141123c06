import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ISOLATION_LABEL } from '../labels.ts';
import type { ServiceSpecInput } from '../service-spec.ts';
import { CompositeRuntime } from './composite-runtime.ts';
import { namesIn, OFF, TestRuntime, testHost, waiting } from './test-host.ts';

const a = { service: 'a', replica: 0 };
const b = { service: 'b', replica: 0 };
const inQemu: ServiceSpecInput = { image: 'app', labels: { [ISOLATION_LABEL]: 'qemu' } };

test('a composite of nothing, or of one runtime twice, is refused', () => {
  const delegate = { runtime: new TestRuntime(), kind: 'linux-vm', isolation: ['qemu'] } as const;
  expect(() => new CompositeRuntime({ delegates: [] })).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  expect(() => new CompositeRuntime({ delegates: [delegate, delegate] })).toThrow('each only once');
});

test('later calls go where the container lives', async () => {
  const { runtime, vzLinux, qemu } = testHost();
  await runtime.createContainer(a, { image: 'app' });
  await runtime.createContainer(b, inQemu);
  await runtime.startContainer(b);
  expect(await qemu.containerState(b)).toEqual({ status: 'running' });
  expect(await vzLinux.containerState(a)).toEqual({ status: 'pending' });
  await runtime.pauseContainer(b);
  expect(await qemu.containerState(b)).toEqual({ status: 'paused' });
  await runtime.removeContainer(b, { force: true });
  expect(await qemu.listContainers()).toEqual([]);
  await expect(runtime.containerState(b)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('an id is taken for all runtimes when one has it, also by a container that somebody else has made', async () => {
  const { runtime, vzLinux, qemu } = testHost();
  await runtime.createContainer(a, inQemu);
  await expect(runtime.createContainer(a, { image: 'app' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await qemu.createContainer(b, { image: 'app' });
  await expect(runtime.createContainer(b, { image: 'app' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(await vzLinux.listContainers()).toEqual([]);
});

test('of two creations of one id at once, in different runtimes, one wins', async () => {
  const { runtime } = testHost();
  const results = await Promise.allSettled([
    runtime.createContainer(a, { image: 'app' }),
    runtime.createContainer(a, inQemu),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(results[1]).toMatchObject({ reason: { code: 'ALREADY_EXISTS' } });
  expect(await runtime.listContainers()).toHaveLength(1);
});

test('an id is free again when its container is gone, whoever removed it', async () => {
  const { runtime, vzLinux, qemu } = testHost();
  await runtime.createContainer(a, { image: 'app' });
  await vzLinux.removeContainer(a);
  await runtime.createContainer(a, inQemu);
  expect(await namesIn(qemu)).toEqual(['a']);
  expect(await runtime.containerState(a)).toEqual({ status: 'pending' });
});

test('a creation that fails leaves the id free', async () => {
  const { runtime } = testHost();
  await expect(runtime.createContainer(a, { image: 'no-such-image' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await runtime.createContainer(a, { image: 'app' });
});

test('a creation does not go on while it is unknown whether the id is taken', async () => {
  const { runtime, vzLinux, qemu } = testHost();
  qemu.listFailure = new Error('the disk is gone');
  await expect(runtime.createContainer(a, { image: 'app' })).rejects.toThrow('the disk is gone');
  expect(await vzLinux.listContainers()).toEqual([]);
});

test('a call right behind a creation waits for it', async () => {
  const { runtime } = testHost();
  const created = runtime.createContainer(a, inQemu);
  await runtime.startContainer(a);
  expect(await runtime.containerState(a)).toEqual({ status: 'running' });
  await created;
  await runtime.removeContainer(a, { force: true });
});

test('getOrCreate finds the container in its runtime, whatever would be chosen today', async () => {
  const host = testHost({ vzLinux: { availability: OFF } });
  const created = await host.runtime.getOrCreateContainer(a, { image: 'app' });
  expect(await namesIn(host.qemu)).toEqual(['a']);
  host.vzLinux.availability = async () => ({ available: true });
  expect(await host.runtime.getOrCreateContainer(a, { image: 'app' })).toEqual(created);
  expect(await host.vzLinux.listContainers()).toEqual([]);
});

test('containers that existed before are found: by a call, by an attachment, by recovery', async () => {
  const { runtime, qemu } = testHost();
  const { instance } = await qemu.createContainer(a, { image: 'app' });
  expect(await runtime.inspectContainer(a)).toMatchObject({ instance });

  const other = testHost();
  await other.qemu.createContainer(a, { image: 'app' });
  const output = other.runtime.attachContainer(a)[Symbol.asyncIterator]();
  await other.runtime.startContainer(a);
  const next = output.next();
  await other.runtime.stopContainer(a);
  expect(await next).toMatchObject({ done: true });

  const third = testHost();
  third.qemu.recovered = [{ id: a, instance: 'x', image: 'app', state: { status: 'pending' } }];
  expect(await third.runtime.recover()).toEqual(third.qemu.recovered);
});

test('recovery is UNSUPPORTED only when no runtime can do it', async () => {
  await expect(testHost().runtime.recover()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('an attachment that is ended before it was read lets the workload go on', async () => {
  const loud = {
    programs: {
      shout: async ({ stdout }: { stdout: { write(data: Uint8Array): Promise<void> } }) => {
        for (let count = 0; count < 200; count++) await stdout.write(new Uint8Array(64 * 1024));
        return 0;
      },
    },
    command: ['shout'],
  };
  const { runtime, qemu } = testHost({ qemu: { images: { app: loud } } });
  await qemu.createContainer(a, { image: 'app' });
  await runtime.attachContainer(a)[Symbol.asyncIterator]().return?.();
  await runtime.startContainer(a);
  expect(await runtime.waitContainer(a)).toEqual({ reason: 'exited', exitCode: 0 });
});

test('a container cannot be renamed to the id of one in another runtime', async () => {
  const { runtime, qemu } = testHost();
  await runtime.createContainer(a, { image: 'app' });
  await runtime.createContainer(b, inQemu);
  await expect(runtime.renameContainer(a, b)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await runtime.renameContainer(b, { service: 'c', replica: 0 });
  expect(await namesIn(qemu)).toEqual(['c']);
  expect(await runtime.containerState({ service: 'c', replica: 0 })).toEqual({ status: 'pending' });
  await expect(runtime.containerState(b)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('two renames across each other do not wait for each other for ever', async () => {
  const { runtime } = testHost();
  await runtime.createContainer(a, { image: 'app' });
  await runtime.createContainer(b, inQemu);
  const results = await Promise.allSettled([runtime.renameContainer(a, b), runtime.renameContainer(b, a)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test('lists and prunes are those of all runtimes', async () => {
  const { runtime, vzLinux, qemu } = testHost();
  await runtime.createContainer(a, { image: 'app' });
  await runtime.createContainer(b, inQemu);
  expect((await namesIn(runtime)).sort()).toEqual(['a', 'b']);
  expect((await runtime.pruneContainers()).map(({ service }) => service).sort()).toEqual(['a', 'b']);
  expect([...(await vzLinux.listContainers()), ...(await qemu.listContainers())]).toEqual([]);
});

test('an image that two runtimes have is listed once, and tagged and removed in both', async () => {
  const { runtime, vzLinux, qemu } = testHost();
  await vzLinux.pullImage('app');
  await qemu.pullImage('app');
  expect(await runtime.listImages()).toHaveLength(1);
  await runtime.tagImage('app', 'name');
  expect((await runtime.listImages()).map(({ reference }) => reference).sort()).toEqual(['app', 'name']);
  await runtime.removeImage('app');
  expect((await qemu.listImages()).map(({ reference }) => reference)).toEqual(['name']);
  await expect(runtime.removeImage('app')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await runtime.inspectImage('name')).toMatchObject({ reference: 'name' });
});

test('a runtime that cannot list images does not hide those of the others', async () => {
  const { runtime, vzLinux } = testHost({ qemu: { without: ['images.list'] } });
  await vzLinux.pullImage('app');
  expect(await runtime.listImages()).toHaveLength(1);
});

test('a runtime that fails to list fails the list: an incomplete one is not passed off as whole', async () => {
  const { runtime, qemu } = testHost();
  qemu.listFailure = new Error('the disk is gone');
  await expect(runtime.listContainers()).rejects.toThrow('the disk is gone');
});

test('what a runtime cannot do is its own UNSUPPORTED, though another one could', async () => {
  const { runtime } = testHost({ qemu: { without: ['containers.top'] } });
  await runtime.createContainer(a, inQemu);
  expect(runtime.capabilities().containers.top).toBe(true);
  await expect(runtime.topContainer(a)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('the-qemu'),
  });
});

test('the capabilities are what at least one runtime can do', () => {
  const without = ['containers.pause', 'containers.top'] as const;
  const options = { without: ['containers.pause'], architectures: ['amd64'] } as const;
  const { runtime } = testHost({
    sandbox: { without, architectures: [] },
    vz: options,
    vzLinux: options,
    qemu: { without, architectures: ['amd64', 'arm64'] },
  });
  expect(runtime.capabilities()).toMatchObject({
    platforms: [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
    ],
    containers: { pause: false, top: true, recover: false },
  });
});

test('it is available when one runtime is, and else says why none is', async () => {
  const off = { availability: OFF };
  const { runtime } = testHost({ sandbox: off, vz: off, vzLinux: off });
  expect(await runtime.availability()).toEqual({ available: true });
  const none = await testHost({ sandbox: off, vz: off, vzLinux: off, qemu: off }).runtime.availability();
  expect(none).toMatchObject({ available: false, reason: expect.stringContaining('the-vz: it is switched off') });
});

test('the events of all runtimes come together, those of one id in order across runtimes', async () => {
  const { runtime } = testHost();
  const events = runtime.events();
  for (const spec of [{ image: 'app' }, inQemu]) {
    await runtime.createContainer(a, spec);
    await runtime.startContainer(a);
    await runtime.removeContainer(a, { force: true });
  }
  await runtime.close();
  const types: string[] = [];
  for await (const event of events) types.push(event.type === 'state' ? event.state.status : event.type);
  expect(types).toHaveLength(types.indexOf('removed') * 2 + 2);
  const [first, second] = [types.slice(0, types.length / 2), types.slice(types.length / 2)];
  expect(first).toEqual(second);
  expect([first[0], first.at(-1)]).toEqual(['created', 'removed']);
});

test('an abort ends the events with its reason, and whoever ends them early is let go', async () => {
  const { runtime } = testHost();
  const abort = new AbortController();
  const next = runtime.events({ signal: abort.signal })[Symbol.asyncIterator]().next();
  abort.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');

  const iterator = runtime.events()[Symbol.asyncIterator]();
  const waitingRead = iterator.next();
  await turn();
  await iterator.return?.();
  expect(await waitingRead).toMatchObject({ done: true });
});

test('a runtime whose events fail fails the events, after those that came before', async () => {
  const { runtime, qemu } = testHost();
  const source = qemu.events.bind(qemu);
  qemu.events = async function* (options) {
    for await (const event of source(options)) {
      yield event;
      throw new Error('the connection is lost');
    }
  };
  const iterator = runtime.events()[Symbol.asyncIterator]();
  await turn();
  await runtime.createContainer(a, inQemu);
  expect(await iterator.next()).toMatchObject({ value: { type: 'created' } });
  await expect(iterator.next()).rejects.toThrow('the connection is lost');
});

test('a spec that changes while it is routed runs as it was when it came', async () => {
  const { runtime, sandbox, vzLinux } = testHost();
  const labels: Record<string, string> = {};
  const created = runtime.createContainer(a, { image: 'app', labels });
  labels[ISOLATION_LABEL] = 'sandbox';
  await created;
  expect(await sandbox.listContainers()).toEqual([]);
  expect((await vzLinux.inspectContainer(a)).spec.labels).toEqual({});
});

test('an aborted creation rejects with its reason and creates nothing', async () => {
  const { runtime } = testHost();
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(runtime.createContainer(a, { image: 'app' }, { signal })).rejects.toThrow('enough');
  expect(await runtime.listContainers()).toEqual([]);
});

test('closing closes every runtime, also when one fails, and tells of each failure', async () => {
  const { runtime, vzLinux, qemu, vz, sandbox } = testHost({ vzLinux: { images: { app: waiting } } });
  vzLinux.closeFailure = new Error('it does not let go');
  sandbox.closeFailure = new Error('nor does this');
  const error = await runtime.close().catch((reason: unknown) => reason);
  expect([vzLinux, qemu, vz, sandbox].map(({ closed }) => closed)).toEqual([true, true, true, true]);
  expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('the-sandbox, the-vz-linux') });
  const { cause } = error as { cause: AggregateError };
  expect(cause).toBeInstanceOf(AggregateError);
  expect(cause.errors).toEqual([sandbox.closeFailure, vzLinux.closeFailure]);
});
