import { ZlayerError } from './errors.ts';

/** What an image's configuration says about the process to start. */
export interface ImageDefaults {
  entrypoint?: readonly string[] | undefined;
  command?: readonly string[] | undefined;
  env?: readonly string[] | undefined;
  workdir?: string | undefined;
  user?: string | undefined;
  stopSignal?: string | undefined;
}

/** What a spec says about the process to start. Absent leaves the image's own; an empty list clears it. */
export interface CommandOverride {
  entrypoint?: readonly string[] | undefined;
  args?: readonly string[] | undefined;
}

/** A command written as one text is run by the container's shell: `/bin/sh -c` and the text. */
export function shellForm(script: string): ['/bin/sh', '-c', string] {
  return ['/bin/sh', '-c', script];
}

/**
 * The arguments of the process to start, by the rule of Docker and of the OCI image specification: the entrypoint,
 * followed by the arguments; an entrypoint given by the spec drops the image's default command as well.
 *
 * @throws ZlayerError `INVALID_SPEC` when nothing is left to start.
 */
export function mergeCommand(image: ImageDefaults, override: CommandOverride = {}): string[] {
  const entrypoint = withoutEmptyWord(override.entrypoint ?? image.entrypoint ?? []);
  const args = override.args ?? (override.entrypoint === undefined ? image.command : undefined) ?? [];
  const argv = [...entrypoint, ...args];
  if (!argv[0]) {
    throw new ZlayerError(
      'INVALID_SPEC',
      'there is no command to run: the image names none and neither does the spec',
      {
        remedy: 'Give a command, or use an image that has an entrypoint.',
      },
    );
  }
  return argv;
}

/** `[""]` is how Docker's command line clears an entrypoint. */
function withoutEmptyWord(entrypoint: readonly string[]): readonly string[] {
  return entrypoint.length === 1 && entrypoint[0] === '' ? [] : entrypoint;
}

/**
 * The environment of the process to start: the image's variables, with the spec's over them. A variable keeps the place
 * where it first appeared. Entries of an image without `=` are dropped, as they name no value.
 */
export function mergeEnv(
  image: readonly string[] | undefined,
  override: Readonly<Record<string, string>> = {},
): [name: string, value: string][] {
  const merged = new Map<string, string>();
  for (const entry of image ?? []) {
    const equals = entry.indexOf('=');
    if (equals > 0) merged.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  for (const [name, value] of Object.entries(override)) merged.set(name, value);
  return [...merged];
}
