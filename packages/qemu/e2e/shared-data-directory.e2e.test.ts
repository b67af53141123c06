import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuRuntime } from '../src/index.ts';
import { OWNED, OwnerProcess } from './owner-process.ts';

const SCRIPT = "trap 'echo usr1' USR1; trap 'exit 7' TERM; echo ready; while :; do sleep 1 & wait $!; done";

describe('two processes on one data directory', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-shared-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('see the same container, work in it, and leave its life to its owner', async () => {
    const image = served.images.plain;
    await using owner = await OwnerProcess.start(dataDir, { image, command: { args: ['sh', '-c', SCRIPT] } });
    await using runtime = new QemuRuntime({ dataDir });

    expect(await runtime.recover(), 'what has an owner is left to it').toEqual([]);
    expect(await runtime.containerState(OWNED)).toEqual({ status: 'running' });
    expect(await runtime.listContainers()).toMatchObject([{ id: OWNED, state: { status: 'running' } }]);
    expect((await runtime.inspectContainer(OWNED)).spec.image).toBe(image);
    await expect(runtime.createContainer(OWNED, { image })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(runtime.startContainer(OWNED)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(runtime.removeContainer(OWNED)).rejects.toMatchObject({ code: 'CONFLICT' });

    expect(await runtime.exec(OWNED, ['cat'], { input: 'hello' })).toMatchObject({ exitCode: 0, stdoutText: 'hello' });
    expect((await runtime.getContainerStats(OWNED)).memoryBytes).toBeGreaterThan(0);
    expect((await runtime.topContainer(OWNED)).length).toBeGreaterThan(0);

    const seen: string[] = [];
    const following = (async () => {
      for await (const { data } of runtime.logsStream(OWNED, { follow: true })) {
        seen.push(Buffer.from(data).toString());
        if (seen.at(-1) === 'ready\n') await runtime.killContainer(OWNED, 'USR1');
        if (seen.at(-1) === 'usr1\n') await runtime.stopContainer(OWNED);
      }
    })();
    expect(await runtime.waitContainer(OWNED)).toEqual({ reason: 'exited', exitCode: 7 });
    await following;
    expect(seen).toEqual(['ready\n', 'usr1\n']);

    await runtime.startContainer(OWNED);
    expect(await runtime.containerState(OWNED)).toEqual({ status: 'running' });
    await runtime.removeContainer(OWNED, { force: true });
    expect(await readdir(join(dataDir, 'qemu', 'containers'))).toEqual([]);
    await expect(runtime.containerState(OWNED)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await owner.kill();
  });
});
