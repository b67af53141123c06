import type { Writable } from 'node:stream';
import { abortable, type Cancellable, type ZlayerError } from '@zlayer/runtime-core';

/** Makes the error of what a container cannot do. */
export type Refuse = (what: string, remedy?: string, cause?: unknown) => ZlayerError;

/** Writes to a workload's input. Resolves when the guest has it. */
export async function writeInput(
  stdin: Writable | undefined,
  data: Uint8Array,
  { signal, refuse }: Cancellable & { refuse: Refuse },
): Promise<void> {
  if (stdin === undefined || stdin.writableEnded || stdin.destroyed) throw refuse('has no open standard input');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // A process that ends leaves what it did not read.
  const onClose = (): void => reject(refuse('has closed its standard input'));
  stdin.once('close', onClose);
  stdin.write(data, (cause) => {
    if (!cause) resolve();
    else reject(refuse('has closed its standard input', undefined, cause));
  });
  try {
    await abortable(promise, signal);
  } finally {
    stdin.off('close', onClose);
  }
}

/** Closes a workload's input, if it is open. */
export async function closeInput(stdin: Writable | undefined): Promise<void> {
  if (stdin === undefined || stdin.writableEnded || stdin.destroyed) return;
  await new Promise<void>((resolve) => {
    stdin.once('close', resolve).end(resolve);
  });
}
