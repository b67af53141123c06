import { type Availability, type Runtime, ZlayerError } from '@zlayer/runtime-core';
import type { CommonOptions } from './common-options.ts';

/** What a runtime is made with. */
export interface RuntimeSettings {
  dataDir?: string | undefined;
  insecureRegistries?: readonly string[] | undefined;
}

/** What the options of a command say of it. */
export function settingsOf({ dataDir, insecureRegistry }: CommonOptions): RuntimeSettings {
  return { dataDir, insecureRegistries: insecureRegistry };
}

interface RuntimeEntry {
  name: string;
  /** Where it can be expected to work. Elsewhere it is used, and spoken of, only when it is named. */
  platforms: readonly NodeJS.Platform[];
  /** Used where it has been installed; that it has not is nothing to speak of. */
  optional?: true;
  /** Loads its package only when it is wanted. */
  open(settings: RuntimeSettings): Promise<Runtime>;
}

/** The runtimes that this command knows, the preferred one first. */
export const RUNTIMES: readonly RuntimeEntry[] = [
  {
    name: 'vz-linux',
    platforms: ['darwin'],
    open: async (settings) => new (await import('@zlayer/vz-linux')).VzLinuxRuntime(settings),
  },
  {
    name: 'krun',
    platforms: ['darwin', 'linux'],
    optional: true,
    open: async (settings) => new (await import('@zlayer/krun')).KrunRuntime(settings),
  },
  {
    name: 'qemu',
    platforms: ['darwin', 'linux'],
    open: async (settings) => new (await import('@zlayer/qemu')).QemuRuntime(settings),
  },
];

/** Those that can be expected to work on a platform. */
export function runtimesOf(platform: NodeJS.Platform = process.platform): readonly RuntimeEntry[] {
  return RUNTIMES.filter(({ platforms }) => platforms.includes(platform));
}

/** @throws ZlayerError `INVALID_SPEC` for a name that is none of a runtime. */
export async function openRuntime(name: string, settings: RuntimeSettings): Promise<Runtime> {
  const entry = RUNTIMES.find((known) => known.name === name);
  if (entry) return await entry.open(settings);
  throw new ZlayerError('INVALID_SPEC', `there is no runtime ${JSON.stringify(name)}`, {
    subject: name,
    remedy: `Use one of ${RUNTIMES.map((known) => known.name).join(', ')}.`,
  });
}

/** What each runtime that can be expected here, or that was asked for, says about this machine. */
export async function availabilities(
  wanted: string | undefined,
  settings: RuntimeSettings,
): Promise<{ name: string; availability: Availability }[]> {
  const entries = RUNTIMES.filter((entry) => entry.name === wanted || runtimesOf().includes(entry));
  return await Promise.all(
    entries.map(async ({ name, open }) => {
      await using runtime = await open(settings);
      return { name, availability: await runtime.availability() };
    }),
  );
}

/**
 * The name of the runtime to use: the one that was asked for, or the first that can run here.
 *
 * @throws ZlayerError `INVALID_SPEC` for an unknown one, `UNAVAILABLE` with every reason when none can run.
 */
export async function chooseRuntime(wanted: string | undefined, settings: RuntimeSettings): Promise<string> {
  if (wanted !== undefined && wanted !== '') {
    await (await openRuntime(wanted, settings)).close();
    return wanted;
  }
  const entries = runtimesOf();
  const [only, ...others] = entries.filter(({ optional }) => !optional);
  if (only && others.length === 0) {
    for (const entry of entries.slice(0, entries.indexOf(only))) if (await canRun(entry, settings)) return entry.name;
    // There is no choice any more, and whatever is wrong with it is told by what needs it.
    return only.name;
  }
  const all = await availabilities(undefined, settings);
  const usable = all.find(({ availability }) => availability.available);
  if (usable) return usable.name;
  const reasons = all.flatMap(({ name, availability }) =>
    availability.available ? [] : [`${name}: ${availability.reason} ${availability.remedy}`],
  );
  throw new ZlayerError('UNAVAILABLE', `no runtime can run on ${process.platform}`, { remedy: reasons.join('\n') });
}

async function canRun(entry: RuntimeEntry, settings: RuntimeSettings): Promise<boolean> {
  await using runtime = await entry.open(settings);
  return (await runtime.availability()).available;
}
