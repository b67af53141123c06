import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectSupervisor, serveSupervisor } from '@zlayer/host';
import { conformanceSuite } from '@zlayer/runtime-core/conformance';
import { FAKE_CAPABILITIES, FAKE_CONFORMANCE_IMAGES, FakeRuntime, FakeState } from '@zlayer/runtime-core/fake';
import { RuntimeServer } from './runtime-server.ts';
import { SupervisedRuntime } from './supervised-runtime.ts';

const images = {
  shell: 'shell',
  configured: 'configured',
  datagrams: 'datagrams',
  pushed: 'registry.invalid/pushed:1',
  unknown: 'registry.invalid/no/such:image',
};

/** A runtime behind a real socket: what a program sees of it must be what it would see of the runtime itself. */
async function overSocket(open: () => FakeRuntime) {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'zlayer-supervised-'));
  const runtime = open();
  const server = new RuntimeServer(async () => runtime);
  const supervisor = await serveSupervisor({
    dataDirectory,
    version: '0',
    handle: (request) => server.handle(request),
    isBusy: () => true,
  });
  const client = await connectSupervisor(dataDirectory);
  if (!client) throw new Error('the supervisor is not there');
  return {
    runtime: await SupervisedRuntime.open(client, 'fake'),
    dispose: async () => {
      await supervisor.close();
      await runtime.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

const state = new FakeState();

conformanceSuite({
  name: 'SupervisedRuntime',
  images,
  create: () =>
    overSocket(
      () =>
        new FakeRuntime({ images: FAKE_CONFORMANCE_IMAGES, state, without: ['containers.recover', 'containers.keep'] }),
    ),
  timeouts: { silenceMs: 400 },
});

conformanceSuite({
  name: 'SupervisedRuntime over one that can do nothing it need not do',
  images,
  create: () =>
    overSocket(() => new FakeRuntime({ name: 'minimal', images: FAKE_CONFORMANCE_IMAGES, without: FAKE_CAPABILITIES })),
  timeouts: { silenceMs: 400 },
});
