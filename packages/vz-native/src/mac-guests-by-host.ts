import { execFile } from 'node:child_process';
import type { Cancellable } from '@zlayer/runtime-core';
import { z } from 'zod';
import type { MacGuestTools } from './mac-guest-tools.ts';
import { refusedByFramework, restoreImageOf } from './mac-restore-image.ts';

/** Asking Apple takes a while. */
const TIMEOUT_MS = 120_000;

const identifier = z.object({ machineIdentifier: z.string().min(1) });
const model = z.object({ hardwareModel: z.enum(['supported', 'unsupported', 'invalid']) });
const image = z.object({
  url: z.string(),
  version: z.string(),
  build: z.string(),
  supported: z.boolean(),
  hardwareModel: z.string(),
  minCpus: z.number(),
  minMemoryBytes: z.number(),
});

export interface HostToolsOptions {
  /** Default: this program's. */
  env?: NodeJS.ProcessEnv | undefined;
}

/** The tools of a `vz-host`, which is entitled where the program that asks is not. */
export function macGuestsByHost(program: string, { env = process.env }: HostToolsOptions = {}): MacGuestTools {
  const ask = async <T>(schema: z.ZodType<T>, what: string, args: string[], options?: Cancellable): Promise<T> => {
    const signal = options?.signal;
    const { stdout, error } = await new Promise<{ stdout: string; error: Error | null }>((resolve) => {
      execFile(program, ['--mac', ...args], { timeout: TIMEOUT_MS, env, signal }, (error, stdout) =>
        resolve({ stdout, error }),
      );
    });
    signal?.throwIfAborted();
    const answer = parsed(stdout);
    const refusal = z.object({ error: z.string() }).safeParse(answer);
    if (refusal.success) throw refusedByFramework(what, refusal.data.error);
    const found = schema.safeParse(answer);
    if (error === null && found.success) return found.data;
    throw refusedByFramework(what, error?.message ?? `${program} said ${JSON.stringify(stdout.slice(0, 200))}`, error);
  };
  return {
    async newMachineIdentifier(options) {
      const what = 'no machine identifier';
      return (await ask(identifier, what, ['machine-identifier'], options)).machineIdentifier;
    },
    async checkHardwareModel(base64, options) {
      const args = ['hardware-model', base64];
      return (await ask(model, 'the hardware model cannot be checked', args, options)).hardwareModel;
    },
    async createAuxiliaryStorage(path, hardwareModel, options) {
      const args = ['create-auxiliary-storage', path, hardwareModel];
      await ask(z.object({}), 'no auxiliary storage', args, options);
    },
    async loadRestoreImage(path, options) {
      return restoreImageOf(
        await ask(image, `the restore image ${path} is of no use`, ['restore-image', path], options),
      );
    },
    async findLatestRestoreImage(options) {
      return restoreImageOf(await ask(image, 'no restore image is found', ['latest-restore-image'], options));
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
