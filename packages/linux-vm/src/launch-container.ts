import type { VmConfig, VmDriver } from '@zlayer/host';
import type { StoredImage } from '@zlayer/oci-pull';
import { type OutputChunk, type StartReport, type StartWarning, ZlayerError } from '@zlayer/runtime-core';
import { kernelArguments } from '@zlayer/vzagent';
import { AgentError, type AgentProcess } from '@zlayer/vzagent-proto';
import { type BootParts, bootParts } from './boot-parts.ts';
import type { ContainerRecord } from './container-record.ts';
import { disksInOrder } from './disks-in-order.ts';
import { Guest } from './guest.ts';
import { type GuestArchitecture, guestArchitecture } from './guest-architecture.ts';
import type { ImageLibrary } from './image-library.ts';
import { bootMachine, endOf, explained, type Machine, READY_PORT } from './machine.ts';
import { type MachineSize, machineSize } from './machine-size.ts';
import { prepareRootfs } from './rootfs.ts';
import type { Run } from './run.ts';
import { RunLog } from './run-log.ts';
import { startSpec } from './start-spec.ts';
import { prepareStorage, releaseVolumes } from './storage.ts';
import type { VolumeStore } from './volume-store.ts';
import { Workload } from './workload.ts';

/** What containers of a runtime are made with. */
export interface ContainerMeans {
  driver: VmDriver;
  images: ImageLibrary;
  volumes: VolumeStore;
  cacheDir: string | undefined;
  startTimeoutMs: number;
}

export interface LaunchContainerOptions {
  means: ContainerMeans;
  record: ContainerRecord;
  /** The record's image, where this process has it at hand. */
  image: StoredImage | undefined;
  directory: string;
  logFile: string;
  consoleFile: string;
  onOutput(chunk: OutputChunk): Promise<void>;
  isRunning(container: string): Promise<boolean>;
  signal: AbortSignal;
}

/** A workload that runs in a machine of its own, and how its start went. */
export interface Launched extends Run {
  report: StartReport;
}

/** Makes a machine of a record and starts the workload in it. When it fails, nothing is left running or held. */
export async function launchContainer(options: LaunchContainerOptions): Promise<Launched> {
  const { means, record, directory, logFile, consoleFile, onOutput, isRunning, signal } = options;
  const { spec, platform } = record;
  const began = performance.now();
  const { reference, digest } = record.image;
  const image = options.image ?? (await means.images.byDigest(reference, digest, platform));
  const limits = await means.driver.limits();
  const guestIs = guestArchitecture(platform.architecture, limits);
  const boot = await bootParts(means, guestIs.architecture, signal);
  const { volumeTemplate } = boot;
  const rootfs = await prepareRootfs({ images: means.images, image, spec, directory, volumeTemplate, signal });
  const storage = await prepareStorage(spec.storage, {
    ...{ volumes: means.volumes, directory, volumeTemplate, isRunning, signal },
  });
  let log: RunLog | undefined;
  try {
    log = await RunLog.open(logFile, record.run, new Date());
    const size = machineSize(spec.resources, limits);
    const config = machineConfig(options, {
      ...{ boot, size, guestIs },
      shares: [...rootfs.shares, ...storage.shares],
      disks: [...rootfs.disks, ...storage.disks],
    });
    const root = performance.now() - began;
    const { stages, ...machine } = await bootMachine(means.driver, config, { signal, timeoutMs: means.startTimeoutMs });
    const booted = performance.now();
    const named = startSpec(record, { root: rootfs.root, mounts: storage.mounts, memoryBytes: size.workloadBytes });
    const start = means.driver.disksAre === 'in-order' ? disksInOrder(named, config.disks) : named;
    const guest = new Guest(machine, record);
    const hasDisks = config.disks.some(({ readOnly }) => !readOnly);
    const process = await begin(machine, start, { signal, timeoutMs: means.startTimeoutMs, consoleFile });
    const workload = Workload.started(process, {
      ...{ guest, log, consoleFile, hasDisks, stdin: spec.openStdin, onOutput },
    });
    const notices = boot.warnings.map((message): StartWarning => ({ kind: 'notice', message }));
    const report = {
      stages: { root, ...stages, workload: performance.now() - booted },
      warnings: [...size.warnings, ...notices],
    };
    return { guest, workload, volumes: storage.volumes, report };
  } catch (error) {
    await log?.close().catch(() => {});
    releaseVolumes(storage);
    throw error;
  }
}

async function begin(
  machine: Machine,
  start: ReturnType<typeof startSpec>,
  { consoleFile, ...options }: { signal: AbortSignal; timeoutMs: number; consoleFile: string },
): Promise<AgentProcess> {
  const { vm, agent } = machine;
  try {
    const starting = agent.start(start, { ...options, acknowledge: 'explicit' });
    return await Promise.race([starting, endOf(vm)]);
  } catch (error) {
    await vm.kill().catch(() => {});
    if (options.signal.aborted) throw error;
    // The agent's refusal explains itself; everything else needs the console.
    const isRefusal = error instanceof AgentError && !['lost', 'timeout', 'malformed', 'internal'].includes(error.kind);
    if (!isRefusal) throw await explained(error, consoleFile);
    throw new ZlayerError('START_FAILED', error.message, { subject: start.argv[0], cause: error });
  }
}

function machineConfig(
  { record, directory, consoleFile }: LaunchContainerOptions,
  {
    boot: { kernel, initramfs },
    size: { cpus, memoryBytes },
    shares,
    disks,
    guestIs: { architecture, translated },
  }: { boot: BootParts; size: MachineSize; guestIs: GuestArchitecture } & Pick<VmConfig, 'shares' | 'disks'>,
): VmConfig {
  const { spec } = record;
  return {
    ...{
      stateDirectory: directory,
      consoleFile,
      architecture,
      translated,
      kernel,
      initramfs,
      shares,
      disks,
      cpus,
      memoryBytes,
    },
    commandLine: [
      ...kernelArguments(architecture),
      `zlayer.boottime=${Math.floor(Date.now() / 1000)}`,
      `zlayer.ready=${READY_PORT}`,
      ...(spec.networkMode === 'none' ? ['zlayer.net=none'] : []),
    ].join(' '),
    network: spec.networkMode === 'none' ? { type: 'none' } : { type: 'user' },
    onOwnerExit: spec.lifecycle.onOwnerExit,
  };
}
