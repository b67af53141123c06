import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isAlive,
  type LaunchOptions,
  type ProcessIdentity,
  processIdentity,
  readJsonFile,
  type Vm,
  type VmConfig,
  type VmExit,
  writeFileAtomic,
} from '@zlayer/host';
import { ZlayerError } from '@zlayer/runtime-core';
import type { VzAddonOptions } from '@zlayer/vz-native';
import { InProcessVm } from './in-process-vm.ts';

/** What is known on disk of a machine in a process. */
interface MachineRecord {
  version: 1;
  /** The process that holds it. */
  holder: ProcessIdentity;
  /** Absent: it runs, or ended with its holder. */
  exit?: VmExit | undefined;
}

/** Those of this process that have not ended, by their state directories. */
const machines = new Map<string, InProcessVm>();

const recordFile = (stateDirectory: string): string => join(stateDirectory, 'in-process.json');

/** Starts a machine in this process, and leaves a record for `findInProcess`. */
export async function launchInProcess(config: VmConfig, options: LaunchOptions & VzAddonOptions): Promise<Vm> {
  const { stateDirectory } = config;
  if (config.onOwnerExit === 'keep') {
    throw new ZlayerError('UNSUPPORTED', 'a machine in the Node process cannot outlive it', {
      remedy: "Use `hosting: 'process'` for containers that are kept.",
    });
  }
  const found = await findInProcess(stateDirectory);
  if (found !== undefined && found.state !== 'stopped') {
    throw new ZlayerError('CONFLICT', `a machine runs in ${stateDirectory} already`, { subject: stateDirectory });
  }
  const holder = processIdentity(process.pid);
  if (holder === undefined) throw new ZlayerError('INTERNAL', 'this process does not find itself');
  const save = (exit?: VmExit): Promise<void> =>
    writeFileAtomic(recordFile(stateDirectory), JSON.stringify({ version: 1, holder, exit } satisfies MachineRecord));
  await save();
  const onEnd = async (exit: VmExit): Promise<void> => {
    machines.delete(stateDirectory);
    // Its directory may be gone already.
    await save(exit).catch(() => undefined);
  };
  try {
    const vm = await InProcessVm.launch(config, { ...options, onEnd });
    if (vm.state !== 'stopped') machines.set(stateDirectory, vm);
    return vm;
  } catch (error) {
    await forgetInProcess(stateDirectory);
    throw error;
  }
}

/** The machine that was launched in a process for a state directory last; undefined if none was. */
export async function findInProcess(stateDirectory: string): Promise<Vm | undefined> {
  const vm = machines.get(stateDirectory);
  if (vm !== undefined) return vm;
  const record = (await readJsonFile(recordFile(stateDirectory))) as MachineRecord | undefined;
  if (record === undefined) return undefined;
  const { holder, exit } = record;
  if (exit !== undefined) return endedVm(exit);
  if (holder.pid !== process.pid && isAlive(holder)) {
    throw new ZlayerError('CONFLICT', `the machine of ${stateDirectory} is in process ${holder.pid}`, {
      subject: stateDirectory,
      remedy: 'Only that process can do anything with it.',
    });
  }
  return endedVm({
    ...{ code: null, signal: null, reason: 'owner-gone' },
    message: `process ${holder.pid}, which held the machine, has ended`,
  });
}

/** From now on the machine of the state directory, if there is one, is held by a process of its own. */
export async function forgetInProcess(stateDirectory: string): Promise<void> {
  await rm(recordFile(stateDirectory), { force: true });
}

function endedVm(exit: VmExit): Vm {
  const refuse = async (): Promise<never> => {
    throw new ZlayerError('CONFLICT', `the machine has ended: ${exit.message}`);
  };
  return {
    state: 'stopped',
    exited: Promise.resolve(exit),
    kill: async () => exit,
    ...{ connect: refuse, listen: refuse, pause: refuse, resume: refuse, requestStop: refuse },
  };
}
