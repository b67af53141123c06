import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The folder for things that can be fetched or made again: `ZLAYER_CACHE_DIR`, else `zlayer` in `XDG_CACHE_HOME`, else
 * `~/.cache/zlayer`. An empty variable counts as unset.
 */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return env['ZLAYER_CACHE_DIR'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'zlayer');
}
