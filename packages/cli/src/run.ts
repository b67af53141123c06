import { randomBytes } from 'node:crypto';
import { QemuRuntime } from '@zlayer/qemu';
import {
  type ContainerId,
  type PullPolicy,
  parsePlatform,
  parseServiceSpec,
  type ServiceSpecInput,
  ZlayerError,
} from '@zlayer/runtime-core';
import { copyOutput } from './copy-output.ts';
import { forwardSignals } from './forward-signals.ts';
import { PullDisplay } from './pull-display.ts';

/** The options of `zlayer run`, as the command line gives them. */
export interface RunOptions {
  cpus?: number;
  memory?: string;
  env?: Record<string, string>;
  workdir?: string;
  user?: string;
  entrypoint?: string;
  platform?: string;
  stopSignal?: string;
  pull: PullPolicy;
  insecureRegistry?: string[];
  dataDir?: string;
  quiet?: boolean;
}

/** Runs an image to its end, and leaves no container behind. Resolves to the exit code for this process. */
export async function run(image: string, command: string[], options: RunOptions): Promise<number> {
  const { pull: policy, platform, dataDir, insecureRegistry: insecureRegistries } = options;
  await using runtime = new QemuRuntime({ dataDir, insecureRegistries });
  const spec = specOf(image, command, options);
  // What is wrong with the options is said before anything is fetched.
  parseServiceSpec(spec);
  const id: ContainerId = { service: `run-${randomBytes(6).toString('hex')}`, replica: 0 };
  using signals = forwardSignals((signal) => runtime.killContainer(id, signal));
  const { signal } = signals;
  try {
    using display = new PullDisplay(image, options.quiet ? undefined : process.stderr);
    const onProgress = display.show.bind(display);
    await runtime.pullImage(image, {
      policy,
      platform: platform === undefined ? undefined : parsePlatform(platform),
      onProgress,
      signal,
    });
    display[Symbol.dispose]();
    await runtime.createContainer(id, spec, { signal });
    const output = copyOutput(runtime.attachContainer(id));
    await runtime.startContainer(id, { signal });
    signals.started();
    await output;
    const result = await runtime.waitContainer(id);
    if (result.reason === 'runtime-error') throw new ZlayerError('INTERNAL', result.message, { subject: image });
    return result.exitCode;
  } catch (error) {
    if (signals.interrupted !== undefined) return 128 + signals.interrupted;
    throw error;
  } finally {
    await runtime.removeContainer(id, { force: true });
  }
}

function specOf(image: string, args: string[], options: RunOptions): ServiceSpecInput {
  const { cpus: cpu, memory, env, workdir, user, entrypoint, platform, stopSignal } = options;
  return withoutUndefined({
    image,
    platform,
    // It was pulled a moment ago, as the user asked.
    pullPolicy: 'never' as const,
    command: withoutUndefined({
      entrypoint: entrypoint === undefined ? undefined : [entrypoint],
      args: args.length > 0 ? args : undefined,
      workdir,
    }),
    env,
    user,
    resources: withoutUndefined({ cpu, memory }),
    stopSignal,
  });
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Leaves out what was not given, so that the spec's defaults apply. */
function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Defined<T>;
}
