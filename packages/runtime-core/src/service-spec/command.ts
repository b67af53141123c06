import { z } from 'zod';
import { shellForm } from '../command.ts';
import { absolutePath } from './container-path.ts';
import { MAX_ITEMS } from './limits.ts';
import { withoutNul } from './text.ts';

const argument = withoutNul('an argument');

/** Words, or one text for the container's shell, which comes out as `['/bin/sh', '-c', text]`. */
export const commandWords = z.union([
  z.array(argument).max(MAX_ITEMS),
  argument.min(1, 'it is empty').transform((script): string[] => shellForm(script)),
]);

export const command = z.strictObject({
  /** Replaces the image's entrypoint, and drops its default command. An empty list clears it. */
  entrypoint: commandWords.optional(),
  /** Replaces the image's default command. An empty list clears it. */
  args: commandWords.optional(),
  /** Absolute path in the container; it is created when missing. Default: the image's, or `/`. */
  workdir: absolutePath('the working directory').optional(),
});
