import { appendFile, copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { QemuDriver } from '@zlayer/qemu';
import type { Architecture } from '@zlayer/runtime-core';
import { kernelArguments, resolveGuest, writeCpio } from '@zlayer/vzagent';
import type { Shape } from './shape.ts';

const READY_PORT = 1025;
const SERVICE_PORT = 1026;

/** A guest that answers on vsock by itself: the same kernel and devices, and neither an agent nor a container. */
export interface RawGuest extends AsyncDisposable {
  connect(): Promise<Duplex>;
}

/** Boots one whose only program is the given one. The folder is its own. */
export async function bootRawGuest(
  architecture: Architecture,
  program: string,
  folder: string,
  { cpus, memoryBytes }: Shape,
): Promise<RawGuest> {
  const { kernel, initramfs } = await resolveGuest({ architecture });
  const stateDirectory = join(folder, 'state');
  await mkdir(stateDirectory);
  const archive = join(folder, 'initramfs');
  // The kernel unpacks one archive after the other: the later file replaces the agent.
  await copyFile(initramfs, archive);
  await appendFile(archive, writeCpio([{ type: 'file', path: 'init', data: await readFile(program), mode: 0o755 }]));
  const ready = Promise.withResolvers<void>();
  const onReady = (call: Duplex): void => {
    call.destroy();
    ready.resolve();
  };
  const vm = await new QemuDriver().launch(
    {
      stateDirectory,
      architecture,
      kernel,
      initramfs: archive,
      commandLine: kernelArguments(architecture).join(' '),
      cpus,
      memoryBytes,
      shares: [],
      disks: [],
      network: { type: 'none' },
      consoleFile: join(stateDirectory, 'console.log'),
      onOwnerExit: 'stop',
    },
    { listen: new Map([[READY_PORT, onReady]]) },
  );
  const stop = async (): Promise<void> => {
    await vm.kill();
  };
  const ended = vm.exited.then(({ message }) => Promise.reject(new Error(`the raw guest ended: ${message}`)));
  ended.catch(() => {});
  try {
    await Promise.race([ready.promise, ended]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { connect: () => vm.connect(SERVICE_PORT), [Symbol.asyncDispose]: stop };
}
