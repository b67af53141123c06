import { join } from 'node:path';
import { runDirectory, socketPath } from '../run-directory.ts';

/** Grows when a client of the old one would not understand the new one. */
export const PROTOCOL_VERSION = 1;

/*
 * Messages are lines of JSON. The supervisor says first
 *   { "hello": { "protocol": 1, "version": "…", "pid": 1 } }
 * The client sends requests, and says when it wants no more of an answer:
 *   { "id": 1, "method": "…", "params": … }      { "end": 1 }
 * The answer is any number of events, and one result or error:
 *   { "id": 1, "event": … }      { "id": 1, "result": … }      { "id": 1, "error": { "code": "…", "message": "…", … } }
 */

/** The descriptor at which whoever started the supervisor waits for it to be ready. */
export const READY_VARIABLE = 'ZLAYER_SUPERVISOR_READY';

/** Where the supervisor of a data directory listens, and what is locked while it is there. */
export interface SupervisorPlace {
  socket: string;
  /** Held by the supervisor as long as it lives. */
  lock: string;
  /** Held by whoever starts one. */
  startLock: string;
  /** What it says when it has no other way to say it. */
  log: string;
}

export async function supervisorPlace(dataDirectory: string): Promise<SupervisorPlace> {
  const directory = await runDirectory(`supervisor ${dataDirectory}`);
  return {
    socket: socketPath(directory, 'control.sock'),
    lock: join(directory, 'supervisor.lock'),
    startLock: join(directory, 'start.lock'),
    log: join(directory, 'supervisor.log'),
  };
}
