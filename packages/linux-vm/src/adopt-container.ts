import { setTimeout as delay } from 'node:timers/promises';
import type { Ownership, Vm, VmDriver } from '@zlayer/host';
import { isActive, isZlayerError } from '@zlayer/runtime-core';
import { consoleTail } from './console-tail.ts';
import { Container, type ContainerOwner } from './container.ts';
import type { ContainerRecord } from './container-record.ts';
import { Guest } from './guest.ts';
import { agentOf } from './machine.ts';
import type { Run } from './run.ts';
import { RunLog } from './run-log.ts';
import { releaseVolumes } from './storage.ts';
import { Workload } from './workload.ts';

/** A machine that has ended is known to have ended within this time. */
const END_PATIENCE_MS = 100;

export interface AdoptOptions {
  owner: ContainerOwner;
  directory: string;
  record: ContainerRecord;
  ownership: Ownership;
}

/**
 * Takes over a container that nobody owns any more: one that runs goes on where its log ends, with its ports; one that
 * has ended says how, as far as anybody knows.
 */
export async function adoptContainer(options: AdoptOptions): Promise<Container> {
  const { owner, directory, record } = options;
  const container = new Container(owner, options);
  if (!isActive(record.state.status)) return container;
  const vm = await findMachine(owner.means.driver, directory);
  if (vm === undefined || vm.state === 'stopped' || record.state.status === 'initializing') {
    await endUnseen(container, vm);
    return container;
  }
  await goOn(container, vm, options);
  return container;
}

/** The machine that was launched in a directory, if one ever was. */
export async function findMachine(driver: VmDriver, directory: string): Promise<Vm | undefined> {
  try {
    const vm = await driver.attach(directory);
    // Nothing says that it runs; that it has ended is read from its status, which takes a moment.
    await Promise.race([vm.exited.catch(() => {}), delay(END_PATIENCE_MS)]);
    return vm;
  } catch (error) {
    if (isZlayerError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

async function endUnseen(container: Container, vm: Vm | undefined): Promise<void> {
  if (vm !== undefined && vm.state !== 'stopped') await vm.kill();
  const exit = await vm?.exited.catch(() => undefined);
  const isOwnersEnd = exit?.reason === 'owner-gone';
  const lastWords = isOwnersEnd ? '' : await consoleTail(container.consoleFile);
  const why = isOwnersEnd
    ? 'it ended with the program that it belonged to'
    : `its virtual machine ended while nobody looked after it: ${exit?.message ?? 'nothing is known about its end'}`;
  const message = lastWords ? `${why}\nLast lines of its console:\n${lastWords}` : why;
  await container.endUnseen(message, isOwnersEnd || container.state.status === 'stopping');
}

async function goOn(container: Container, vm: Vm, { owner, directory, record }: AdoptOptions): Promise<void> {
  const isPaused = record.state.status === 'paused';
  // Stopping what stands still does nothing, but for what this process knows of it.
  if (isPaused) await vm.pause();
  const guest = new Guest({ vm, agent: agentOf(vm) }, record);
  const volumes: Run['volumes'] = [];
  try {
    for (const name of record.volumes) {
      const { volumes: store } = owner.means;
      volumes.push(await store.acquire(name, { container: directory, isRunning: owner.isRunning }));
    }
    const log = await RunLog.open(container.logFile, record.run, record.startedAt ?? record.createdAt);
    const workload = Workload.adopted(container.unpaused, {
      ...{ guest, log, consoleFile: container.consoleFile, stdin: record.spec.openStdin },
      hasDisks: record.spec.rootfs.size !== undefined || record.spec.storage.some(({ type }) => isVolume(type)),
      onOutput: container.onOutput,
    });
    await container.adopt({ guest, workload, volumes }, { isPaused });
  } catch (error) {
    releaseVolumes({ volumes });
    throw error;
  }
}

function isVolume(type: string): boolean {
  return type === 'named' || type === 'anonymous';
}
