import type { VmDriver } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import { mergeEnv, type Platform, parseMemory, type ServiceSpec } from '@zlayer/runtime-core';
import { kernelArguments, resolveGuest } from '@zlayer/vzagent';
import type { MessageOf } from '@zlayer/vzagent-proto';
import type { RunningWorkload } from './container.ts';
import type { ImageLibrary } from './image-library.ts';
import { READY_PORT, startWorkload } from './machine.ts';
import { resolveUser } from './resolve-user.ts';

/** The agent looks for the share of this name, and for the name on its kernel's command line. */
const ROOTFS_TAG = 'rootfs';

export interface LaunchContainerOptions {
  driver: VmDriver;
  spec: ServiceSpec;
  /** The process to start, with its arguments. */
  argv: readonly string[];
  image: StoredImage;
  platform: Platform;
  images: ImageLibrary;
  cacheDir: string | undefined;
  stateDirectory: string;
  consoleFile: string;
  startTimeoutMs: number;
  signal: AbortSignal;
}

/** Turns a spec and an image into a machine that runs the workload. */
export async function launchContainer(options: LaunchContainerOptions): Promise<RunningWorkload> {
  const { driver, spec, image, platform, images, cacheDir, stateDirectory, consoleFile, signal } = options;
  const began = performance.now();
  const rootfs = await images.rootfs(image, { signal });
  const request = await runRequest(options, rootfs);
  const { architecture } = platform;
  const guest = await resolveGuest({ architecture, cacheDir, signal });
  const limits = await driver.limits();
  const root = performance.now() - began;
  const { vm, session, stages } = await startWorkload(
    driver,
    {
      stateDirectory,
      consoleFile,
      architecture,
      kernel: guest.kernel,
      initramfs: guest.initramfs,
      commandLine: [
        ...kernelArguments(architecture),
        `rootfstag=${ROOTFS_TAG}`,
        `zlayer.boottime=${Math.floor(Date.now() / 1000)}`,
        `zlayer.ready=${READY_PORT}`,
      ].join(' '),
      cpus: Math.min(Math.ceil(spec.resources.cpu), limits.maxCpus),
      memoryBytes: Math.min(Math.max(parseMemory(spec.resources.memory), limits.minMemoryBytes), limits.maxMemoryBytes),
      shares: [{ tag: ROOTFS_TAG, path: rootfs, readOnly: true }],
      disks: [],
      network: { type: 'none' },
      onOwnerExit: 'stop',
    },
    request,
    { signal, timeoutMs: options.startTimeoutMs, openStdin: spec.openStdin },
  );
  return { vm, session, report: { stages: { root, ...stages } } };
}

async function runRequest(
  { spec, argv, image: { config } }: LaunchContainerOptions,
  rootfs: string,
): Promise<MessageOf<'Run'>> {
  const { uid, gid } = await resolveUser(rootfs, spec.user ?? config.user);
  return {
    type: 'Run',
    argv,
    env: mergeEnv(config.env, spec.env),
    cwd: spec.command.workdir ?? (config.workingDir || null),
    uid,
    gid,
  };
}
