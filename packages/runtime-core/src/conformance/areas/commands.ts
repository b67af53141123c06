import { expect } from 'vitest';
import { shellCommand } from '../bench.ts';
import { CONFORMANCE_SCRIPTS } from '../conformance-scripts.ts';
import type { Suite } from '../suite.ts';

/** What the process finds around itself: the image's configuration with the spec's over it. Starts three containers. */
export function commands(suite: Suite): void {
  suite.area('command, environment, working directory', () => {
    suite.test("without a word of the spec all is the image's", async (bench) => {
      const { output } = await bench.run({ image: bench.lab.images.configured });
      expect(output.stdout.split('\n')).toEqual([
        'cwd /srv/conformance',
        'uid 1234',
        'gid 1235',
        'image of the image',
        'both of the image',
        'spec ',
        'args from image',
        '',
      ]);
    });

    suite.test("args replace the image's command and keep its entrypoint; the environment is merged", async (bench) => {
      const { output } = await bench.run({
        image: bench.lab.images.configured,
        command: { args: ['two words', '$HOME', ''], workdir: '/made/when missing' },
        env: { CONFORMANCE_BOTH: 'of the spec', CONFORMANCE_SPEC: 'a = "b"\nc' },
        user: '0:0',
      });
      expect(output.stdout.split('\n')).toEqual([
        'cwd /made/when missing',
        'uid 0',
        'gid 0',
        'image of the image',
        'both of the spec',
        'spec a = "b"',
        'c',
        'args two words $HOME ',
        '',
      ]);
    });

    suite.test("an entrypoint of the spec drops the image's command too", async (bench) => {
      const { output } = await bench.run({
        image: bench.lab.images.configured,
        command: { entrypoint: shellCommand('surroundings').slice(0, 2), args: [CONFORMANCE_SCRIPTS.surroundings] },
      });
      expect(output.stdout).toMatch(/^args $/m);
    });
  });
}
