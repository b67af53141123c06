import { expect } from 'vitest';
import type { PullProgress } from '../../images.ts';
import { CONFORMANCE_IMAGES } from '../conformance-images.ts';
import { expectError, expectReason } from '../expect-error.ts';
import type { Suite } from '../suite.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Pulling images, and the store where it is declared. Nothing is started. */
export function images(suite: Suite): void {
  suite.area('images', () => {
    for (const policy of ['always', 'newer', 'ifNotPresent', 'never'] as const) {
      suite.test(`an image that is there can be had with the policy ${policy}`, async ({ runtime, lab }) => {
        const first = await runtime.pullImage(lab.images.shell);
        expect(first.digest).toMatch(DIGEST);
        expect(first.size).toBeGreaterThan(0);
        expect(lab.capabilities.platforms).toContainEqual(first.platform);
        expect(await runtime.pullImage(lab.images.shell, { policy })).toMatchObject({ digest: first.digest });
      });

      suite.test(`an unknown image is an error with the policy ${policy}`, async ({ runtime, lab }) => {
        const { unknown } = lab.images;
        const codes =
          policy === 'never' ? (['NOT_FOUND'] as const) : (['NOT_FOUND', 'PULL_FAILED', 'NETWORK'] as const);
        const error = await expectError(runtime.pullImage(unknown, { policy }), ...codes);
        expect(`${error.subject} ${error.message}`).toContain(unknown);
      });
    }

    suite.test('a pull reports its progress: first what there is to pull', async ({ runtime, lab }) => {
      const steps: PullProgress[] = [];
      await runtime.pullImage(lab.images.shell, { policy: 'always', onProgress: (step) => steps.push(step) });
      expect(steps[0]).toMatchObject({ type: 'resolved', digest: expect.stringMatching(DIGEST) });
      for (const step of steps) if (step.type === 'blob') expect(step.bytes).toBeLessThanOrEqual(step.total);
    });

    suite.test('an aborted pull ends with the reason of its signal', async ({ runtime, lab }) => {
      const reason = new Error('enough');
      await expectReason(runtime.pullImage(lab.images.shell, { signal: AbortSignal.abort(reason) }), reason);
    });

    suite.testWith('images.list', 'a pulled image is listed', async ({ runtime, lab }) => {
      const { digest } = await runtime.pullImage(lab.images.shell);
      expect(await runtime.listImages()).toContainEqual(expect.objectContaining({ digest }));
    });

    suite.testWith('images.list', "an image's configuration can be inspected", async ({ runtime, lab }) => {
      const { digest } = await runtime.pullImage(lab.images.configured);
      const { Entrypoint, Cmd, Env, WorkingDir, User } = CONFORMANCE_IMAGES.configured.config;
      const details = await runtime.inspectImage(lab.images.configured);
      expect(details).toMatchObject({
        digest,
        entrypoint: Entrypoint,
        command: Cmd,
        env: Env,
        workdir: WorkingDir,
        user: User,
      });
      expect(details.layers.length).toBeGreaterThan(0);
      await expectError(runtime.inspectImage(lab.images.unknown), 'NOT_FOUND');
    });

    suite.testWith(
      ['images.list', 'images.tag', 'images.remove'],
      'a tag is another name of an image, and removing it leaves the image',
      async ({ runtime, lab }) => {
        const { digest } = await runtime.pullImage(lab.images.shell);
        const tag = 'conformance.example/zlayer/tagged:1';
        await runtime.tagImage(lab.images.shell, tag);
        expect(await runtime.inspectImage(tag)).toMatchObject({ digest });
        await runtime.removeImage(tag);
        await expectError(runtime.inspectImage(tag), 'NOT_FOUND');
        expect(await runtime.inspectImage(lab.images.shell)).toMatchObject({ digest });
        await expectError(runtime.tagImage(lab.images.unknown, tag), 'NOT_FOUND');
      },
    );

    suite.testWith('images.remove', 'an image that a container uses is not removed: CONFLICT', async (bench) => {
      await bench.create(bench.shell('exit0'));
      await expectError(bench.runtime.removeImage(bench.lab.images.shell), 'CONFLICT');
      await bench.runtime.pullImage(bench.lab.images.shell, { policy: 'never' });
    });

    suite.testWith('images.remove', 'a removed image is gone, and can be pulled again', async ({ runtime, lab }) => {
      await runtime.pullImage(lab.images.configured);
      await runtime.removeImage(lab.images.configured);
      await expectError(runtime.pullImage(lab.images.configured, { policy: 'never' }), 'NOT_FOUND', 'PULL_FAILED');
      await runtime.pullImage(lab.images.configured);
    });

    suite.testWith('images.remove', 'removing an unknown image is NOT_FOUND', async ({ runtime, lab }) => {
      await expectError(runtime.removeImage(lab.images.unknown), 'NOT_FOUND');
    });

    suite.testWith('images.prune', 'pruning leaves what has a name', async ({ runtime, lab }) => {
      const { digest } = await runtime.pullImage(lab.images.shell);
      const { removed, reclaimed } = await runtime.pruneImages();
      expect(removed).not.toContain(digest);
      expect(reclaimed).toBeGreaterThanOrEqual(0);
      await runtime.pullImage(lab.images.shell, { policy: 'never' });
    });
  });
}
