import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type ContainerId, containerIdSchema, formatContainerId, ZlayerError } from '@zlayer/runtime-core';

export interface DataDirectoryOptions {
  /** What the program asked for; goes before everything else. Relative to the working directory. */
  option?: string | undefined;
  /** Default: `process.env`. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Default: `process.platform`. */
  platform?: NodeJS.Platform;
}

/**
 * Where images, containers and their logs are kept: the option, `ZLAYER_DATA_DIR`, or the platform's convention
 * (`~/Library/Application Support/zlayer`, `$XDG_DATA_HOME/zlayer`, `~/.local/share/zlayer`). Creates nothing.
 *
 * @throws ZlayerError `INVALID_SPEC` if `ZLAYER_DATA_DIR` is not an absolute path.
 */
export function dataDirectory(options: DataDirectoryOptions = {}): string {
  const { option, env = process.env, platform = process.platform } = options;
  if (option !== undefined && option !== '') return resolve(option);
  const wanted = env['ZLAYER_DATA_DIR'];
  if (wanted !== undefined && wanted !== '') {
    if (isAbsolute(wanted)) return resolve(wanted);
    throw new ZlayerError('INVALID_SPEC', `ZLAYER_DATA_DIR is ${JSON.stringify(wanted)}, not an absolute path`, {
      subject: wanted,
      remedy: 'Set ZLAYER_DATA_DIR to an absolute path, or unset it.',
    });
  }
  const home = env['HOME'] || homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'zlayer');
  const xdg = env['XDG_DATA_HOME'];
  // The XDG specification: relative paths are to be ignored.
  return xdg !== undefined && isAbsolute(xdg) ? join(xdg, 'zlayer') : join(home, '.local', 'share', 'zlayer');
}

/**
 * The state directory of a container, `{dataDirectory}/{runtime}/containers/{service}-{replica}`. Creates nothing.
 *
 * @throws ZlayerError `INVALID_SPEC` for a runtime's or service's name that is none, such as `..`.
 */
export function containerDirectory(dataDirectory: string, runtime: string, id: ContainerId): string {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(runtime)) {
    throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(runtime)} is not the name of a runtime`, {
      subject: runtime,
    });
  }
  if (!containerIdSchema.safeParse(id).success) {
    const shown = formatContainerId(id);
    throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(shown)} is not the id of a container`, { subject: shown });
  }
  return join(dataDirectory, runtime, 'containers', formatContainerId(id));
}
