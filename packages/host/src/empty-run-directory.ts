import { readHostStatus } from './host-status.ts';
import { isAlive } from './process-identity.ts';
import { type RunDirectoryOptions, removeRunDirectory, runDirectory } from './run-directory.ts';

/**
 * Makes the run directory for a machine that is about to be launched, without what an earlier one has left: sockets of a
 * machine whose host program and whose owner were both killed are still there, and serve nobody. The directory of a host
 * program that lives is left as it is.
 *
 * @throws ZlayerError `UNAVAILABLE` as `runDirectory` does.
 */
export async function emptyRunDirectory(
  machine: { stateDirectory: string; statusFile: string },
  options: RunDirectoryOptions = {},
): Promise<string> {
  // A file that cannot be read tells of nobody: what is there stays.
  const left = await readHostStatus(machine.statusFile).catch(() => undefined);
  if (left !== undefined && !isAlive(left))
    await removeRunDirectory(await runDirectory(machine.stateDirectory, options));
  return await runDirectory(machine.stateDirectory, options);
}
