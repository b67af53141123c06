import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { shellCommand } from '../bench.ts';
import { expectError } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

/** Overlay networks. Starts up to one container. */
export function overlay(suite: Suite): void {
  suite.area('overlay networks', () => {
    suite.test('a runtime says how an overlay network reaches it, or that none does', async ({ runtime, lab }) => {
      const kind = runtime.overlayAttachKind();
      if (lab.capabilities.network.overlay) expect(['host-netns', 'host-ip', 'in-guest-vsock']).toContain(kind);
      else expect(kind).toBeUndefined();
    });

    suite.testWith(
      'network.overlay',
      'a running container can be given its interface, and a new one',
      async (bench) => {
        const { runtime, lab } = bench;
        const config = {
          overlayIp: '10.213.0.2',
          prefixLength: 24,
          privateKey: randomBytes(32).toString('base64'),
          listenPort: 51_820,
          peers: [],
        };
        const { container, output } = await bench.start(bench.shell('untilTerm'));
        await output.shows('ready');
        for (const overlayIp of ['10.213.0.2', '10.213.0.3']) {
          await runtime.pushOverlayConfig(container, { ...config, overlayIp });
          if (!lab.capabilities.exec.buffered || runtime.overlayAttachKind() === 'host-ip') continue;
          const { stdoutText } = await runtime.exec(container, shellCommand('addresses'), { user: '0:0' });
          expect(stdoutText).toContain(`${overlayIp}/24`);
        }
        await runtime.stopContainer(container);
        await expectError(runtime.pushOverlayConfig(container, config), 'CONFLICT');
      },
    );
  });
}
