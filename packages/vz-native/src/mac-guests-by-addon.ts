import type { FrameworkError } from './load-addon.ts';
import { loadAddon } from './load-addon.ts';
import type { MacGuestTools } from './mac-guest-tools.ts';
import { refusedByFramework, restoreImageOf } from './mac-restore-image.ts';
import type { VzAddonOptions } from './vz-machine.ts';

/** The tools of this very process, for programs that are entitled themselves. @throws ZlayerError `UNAVAILABLE` without an addon. */
export function macGuestsByAddon(options: VzAddonOptions = {}): MacGuestTools {
  const addon = loadAddon(options.addon);
  /** What the framework is asked cannot be taken back; one who gives up does not wait for the answer. */
  const ask = async <T>(what: string, question: () => Promise<T> | T, signal?: AbortSignal): Promise<T> => {
    signal?.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([aborted, Promise.resolve(question())]);
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw refusedByFramework(what, (error as FrameworkError).message, error);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
  return {
    newMachineIdentifier: ({ signal } = {}) => ask('no machine identifier', () => addon.newMachineIdentifier(), signal),
    checkHardwareModel: (base64, { signal } = {}) =>
      ask('the hardware model cannot be checked', () => addon.checkHardwareModel(base64), signal),
    createAuxiliaryStorage: (path, model, { signal } = {}) =>
      ask('no auxiliary storage', () => addon.createAuxiliaryStorage(path, model), signal),
    loadRestoreImage: async (path, { signal } = {}) =>
      restoreImageOf(await ask(`the restore image ${path} is of no use`, () => addon.loadRestoreImage(path), signal)),
    findLatestRestoreImage: async ({ signal } = {}) =>
      restoreImageOf(await ask('no restore image is found', () => addon.findLatestRestoreImage(), signal)),
  };
}
