import { execFile } from 'node:child_process';
import { type Cancellable, ZlayerError } from '@zlayer/runtime-core';
import { z } from 'zod';

const PROBE_TIMEOUT_MS = 15_000;

const schema = z.object({
  library: z.string(),
  version: z.string(),
  net: z.boolean(),
  blk: z.boolean(),
  gpu: z.boolean(),
  diskModes: z.boolean(),
  readOnlyShares: z.boolean(),
  ownInit: z.boolean(),
  jail: z.boolean(),
  maxCpus: z.number(),
});
const refusal = z.object({ error: z.enum(['not-found', 'too-old']), message: z.string() });

/** A libkrun that can be used, and what it can do. */
export interface Libkrun extends Omit<z.infer<typeof schema>, 'maxCpus'> {
  /** As it is loaded: a path, or a name that the system's loader knows. */
  library: string;
  /** The oldest version that has what this one has, such as `1.19`. */
  version: string;
  /** Whether it was built with network devices, disks, and a GPU. */
  net: boolean;
  blk: boolean;
  gpu: boolean;
  /** Whether a disk's cache and flushes can be chosen (1.18). Without it every disk is as by default. */
  diskModes: boolean;
  /** Whether a share can be read-only by itself (1.18). Without it the jail alone makes it so. */
  readOnlyShares: boolean;
  /** Whether its own init can be left out (1.19). Without it that runs in front of ours. */
  ownInit: boolean;
  /** Whether this system can confine the machine's process. */
  jail: boolean;
  /** How many processors a machine can have; `undefined`: it does not say. */
  maxCpus: number | undefined;
}

export interface ProbeOptions extends Cancellable {
  /** The path of the library. Default: the environment's `ZLAYER_LIBKRUN`, or where systems keep it. */
  library?: string | undefined;
  /** Default: this program's. */
  env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Has a `krun-host` load libkrun, and tell what it can do. A library that crashes as it is loaded costs that process alone.
 *
 * @throws ZlayerError `UNAVAILABLE` with what to install: there is none, it is too old, or it crashes.
 */
export async function probeLibkrun(program: string, options: ProbeOptions = {}): Promise<Libkrun> {
  const { signal, env = process.env } = options;
  const library = options.library ?? (env['ZLAYER_LIBKRUN'] || undefined);
  const args = ['--probe', ...(library === undefined ? [] : [library])];
  const { stdout, error } = await new Promise<{ stdout: string; error: ExecError | null }>((resolve) => {
    execFile(program, args, { timeout: PROBE_TIMEOUT_MS, env, signal }, (failed, output) =>
      resolve({ stdout: output, error: failed }),
    );
  });
  signal?.throwIfAborted();
  const answer = parsed(stdout);
  const found = schema.safeParse(answer);
  if (error === null && found.success) {
    return { ...found.data, maxCpus: found.data.maxCpus > 0 ? found.data.maxCpus : undefined };
  }
  const refused = refusal.safeParse(answer);
  throw unavailable(library, refused.success ? refused.data : undefined, error, program);
}

type ExecError = Error & { signal?: string | null; killed?: boolean };

function unavailable(
  library: string | undefined,
  refused: z.infer<typeof refusal> | undefined,
  error: ExecError | null,
  program: string,
): ZlayerError {
  const subject = library ?? 'libkrun';
  const why =
    refused?.error === 'too-old'
      ? `${subject} is older than version 1.17: it has no ${refused.message}`
      : refused !== undefined
        ? `${subject} cannot be loaded: ${refused.message}`
        : error?.signal && !error.killed
          ? `${subject} crashes when it is loaded (${error.signal})`
          : error?.killed
            ? `${subject} is not loaded after ${PROBE_TIMEOUT_MS / 1000} s`
            : `${program} does not run: ${error?.message ?? 'it said nothing'}`;
  return new ZlayerError('UNAVAILABLE', why, {
    subject,
    remedy: library === undefined ? installRemedy() : 'Correct ZLAYER_LIBKRUN, or the option `library`.',
    cause: error ?? undefined,
  });
}

/** How libkrun is installed here. */
export function installRemedy(platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return 'Install it: brew tap slp/krun && brew install libkrun';
  return 'Install libkrun 1.17 or later and libkrunfw (Fedora: dnf install libkrun), or name it with ZLAYER_LIBKRUN.';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
