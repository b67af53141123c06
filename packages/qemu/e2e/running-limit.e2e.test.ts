import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VmLimits } from '@zlayer/host';
import { LinuxVmRuntime } from '@zlayer/linux-vm';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QemuDriver } from '../src/index.ts';

/** As if a host let no more than one machine run. */
class OneAtATime extends QemuDriver {
  override async limits(): Promise<VmLimits> {
    return { ...(await super.limits()), maxRunning: 1 };
  }
}

const first = { service: 'limited', replica: 1 };
const second = { service: 'limited', replica: 2 };

describe('a driver that lets one machine run', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;
  let one: LinuxVmRuntime;
  let other: LinuxVmRuntime;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-limit-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
    const open = () => new LinuxVmRuntime({ name: 'limited', driver: new OneAtATime(), dataDir });
    one = open();
    other = open();
  });
  afterAll(async () => {
    await one?.close();
    await other?.close();
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('never gets a second one, whichever runtime of the data directory starts it', async () => {
    const spec = { image: served.images.plain, command: { args: ['sleep', '1000'] } };
    await one.createContainer(first, spec);
    await other.createContainer(second, spec);

    const starts = await Promise.allSettled([one.startContainer(first), other.startContainer(second)]);
    const refused = starts.filter((start) => start.status === 'rejected');
    expect(refused).toHaveLength(1);
    const [running, waiting] = starts[0]?.status === 'fulfilled' ? [first, second] : [second, first];
    expect(refused[0]?.reason).toMatchObject({
      code: 'CONFLICT',
      subject: `limited-${waiting.replica}`,
      message: expect.stringContaining(`and limited-${running.replica} do`),
    });
    expect(await one.containerState(waiting)).toEqual({ status: 'pending' });

    await one.stopContainer(running, { timeoutMs: 0 });
    await other.startContainer(waiting);
    expect(await one.containerState(waiting)).toEqual({ status: 'running' });
    await one.removeContainer(waiting, { force: true });
    await one.removeContainer(running, { force: true });
  });
});
