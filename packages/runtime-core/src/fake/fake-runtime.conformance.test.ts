import { conformanceSuite } from '../conformance/index.ts';
import { FAKE_CONFORMANCE_IMAGES } from './conformance-images.ts';
import { FAKE_CAPABILITIES } from './fake-capabilities.ts';
import { FakeRuntime } from './fake-runtime.ts';
import { FakeState } from './fake-state.ts';
import { nodeHost } from './node-host.test-support.ts';

const images = {
  shell: 'shell',
  configured: 'configured',
  datagrams: 'datagrams',
  pushed: 'registry.invalid/pushed:1',
  unknown: 'registry.invalid/no/such:image',
};

conformanceSuite({
  name: 'FakeRuntime',
  images,
  create: async () => {
    const state = new FakeState();
    const open = () => new FakeRuntime({ images: FAKE_CONFORMANCE_IMAGES, state, host: nodeHost });
    return { runtime: open(), reopen: async () => open() };
  },
  timeouts: { silenceMs: 250 },
});

conformanceSuite({
  name: 'FakeRuntime that can do nothing it need not do',
  images,
  create: async () => ({
    runtime: new FakeRuntime({ name: 'minimal', images: FAKE_CONFORMANCE_IMAGES, without: FAKE_CAPABILITIES }),
  }),
  timeouts: { silenceMs: 300 },
});
