import { ZlayerError } from '@zlayer/runtime-core';
import { ControlConnection } from './control-connection.ts';
import { HostProcess } from './host-process.ts';
import { readHostStatus } from './host-status.ts';

export interface AttachHostOptions {
  statusFile: string;
  controlSocket: string;
}

/**
 * Finds a host program that this or another process has launched. One that has ended is found too: `exited` tells how,
 * with the reason `lost` if it ended without recording that. Being attached is not owning: see `own`.
 *
 * @throws ZlayerError `NOT_FOUND` if there is no status file.
 */
export async function attachHost({ statusFile, controlSocket }: AttachHostOptions): Promise<HostProcess> {
  // The connection comes before the status: a host that ends in between says so on the connection.
  const open = await ControlConnection.open(controlSocket).catch(() => undefined);
  const status = await readHostStatus(statusFile).catch((error: unknown) => {
    open?.close();
    throw error;
  });
  if (status === undefined) {
    open?.close();
    throw new ZlayerError('NOT_FOUND', `no host program was launched with ${statusFile}`, { subject: statusFile });
  }
  const host = { pid: status.pid, startTime: status.startTime };
  const main = status.main === null ? undefined : { pid: status.main.pid, startTime: status.main.startTime };
  // A host that has written its last words serves nobody: who answers now is another one, or about to leave.
  if (status.exit !== null) open?.close();
  const connection = status.exit === null ? open : undefined;
  return new HostProcess({ host, main, statusFile, controlSocket, connection });
}
