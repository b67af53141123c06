import { conformanceSuite } from '../conformance/index.ts';
import { FAKE_CONFORMANCE_IMAGES } from './conformance-images.ts';
import { FAKE_CAPABILITIES } from './fake-capabilities.ts';
import { FakeRuntime } from './fake-runtime.ts';

const images = { shell: 'shell', configured: 'configured', unknown: 'registry.invalid/no/such:image' };

conformanceSuite({
  name: 'FakeRuntime',
  images,
  create: async () => ({ runtime: new FakeRuntime({ images: FAKE_CONFORMANCE_IMAGES }) }),
});

conformanceSuite({
  name: 'FakeRuntime that can do nothing it need not do',
  images,
  create: async () => ({
    runtime: new FakeRuntime({ name: 'minimal', images: FAKE_CONFORMANCE_IMAGES, without: FAKE_CAPABILITIES }),
  }),
  timeouts: { silenceMs: 300 },
});
