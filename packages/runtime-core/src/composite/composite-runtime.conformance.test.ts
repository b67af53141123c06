import { conformanceSuite } from '../conformance/index.ts';
import { FAKE_CONFORMANCE_IMAGES } from '../fake/conformance-images.ts';
import { FAKE_CAPABILITIES } from '../fake/fake-capabilities.ts';
import { FakeRuntime } from '../fake/fake-runtime.ts';
import { CompositeRuntime } from './composite-runtime.ts';

const images = {
  shell: 'shell',
  configured: 'configured',
  pushed: 'registry.invalid/pushed:1',
  unknown: 'registry.invalid/no/such:image',
};
const unavailable = { available: false, reason: 'it is switched off', remedy: 'Switch it on.' } as const;

// The delegates bear the name of the whole, as the suite wants the name of the runtime in an UNSUPPORTED error.
conformanceSuite({
  name: 'CompositeRuntime over two runtimes, the preferred of which is not available',
  images,
  create: async () => ({
    runtime: new CompositeRuntime({
      delegates: [
        {
          runtime: new FakeRuntime({ name: 'composite/off', images: {}, availability: unavailable }),
          kind: 'linux-vm',
          isolation: ['vz-linux'],
        },
        {
          runtime: new FakeRuntime({ name: 'composite/on', images: FAKE_CONFORMANCE_IMAGES }),
          kind: 'linux-vm',
          isolation: ['qemu'],
        },
      ],
    }),
  }),
  timeouts: { silenceMs: 250 },
});

conformanceSuite({
  name: 'CompositeRuntime over runtimes that can do nothing they need not do',
  images,
  create: async () => ({
    runtime: new CompositeRuntime({
      delegates: (['vz-linux', 'qemu'] as const).map((isolation) => ({
        runtime: new FakeRuntime({
          name: `composite/${isolation}`,
          images: FAKE_CONFORMANCE_IMAGES,
          without: FAKE_CAPABILITIES,
        }),
        kind: 'linux-vm',
        isolation: [isolation],
      })),
    }),
  }),
  timeouts: { silenceMs: 300 },
});
