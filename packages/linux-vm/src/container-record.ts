import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isAlive,
  type ProcessIdentity,
  processIdentity,
  readJsonFile,
  type VmDriver,
  writeFileAtomic,
} from '@zlayer/host';
import { type ContainerId, type ContainerState, type ServiceSpec, ZlayerError } from '@zlayer/runtime-core';

/** What is kept of a container in its directory. */
export interface ContainerRecord {
  id: ContainerId;
  instance: string;
  image: { reference: string; digest: string };
  spec: ServiceSpec;
  state: ContainerState;
}

const recordFile = (directory: string): string => join(directory, 'container.json');

/** Writes the record, in this process's name. */
export async function writeContainerRecord(directory: string, record: ContainerRecord): Promise<void> {
  const content = { version: 1, ...record, owner: processIdentity(process.pid) };
  await writeFileAtomic(recordFile(directory), `${JSON.stringify(content, null, 2)}\n`);
}

/**
 * Removes the directory of a container whose owner is dead, with what may be left of its machine. It belongs to nobody:
 * this version adopts no containers of other processes.
 *
 * @returns whether it was removed; `false` when its owner lives, or is not known.
 */
export async function removeAbandoned(driver: VmDriver, directory: string): Promise<boolean> {
  const owner = await readOwner(directory);
  if (owner === undefined || isAlive(owner)) return false;
  try {
    await (await driver.attach(directory)).kill();
  } catch (error) {
    // It was never started, or its machine has taken its sockets along.
    if (!(error instanceof ZlayerError) || error.code !== 'NOT_FOUND') throw error;
  }
  await rm(directory, { recursive: true, force: true });
  return true;
}

async function readOwner(directory: string): Promise<ProcessIdentity | undefined> {
  const record = (await readJsonFile(recordFile(directory))) as { owner?: Partial<ProcessIdentity> } | undefined;
  const { pid, startTime } = record?.owner ?? {};
  return typeof pid === 'number' && typeof startTime === 'string' ? { pid, startTime } : undefined;
}
