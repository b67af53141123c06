import { ConflictError } from './errors.ts';

/** What the `exit` of a process rejects with that was detached: it goes on, and nobody here will know how it ends. */
export function detachedExec(): ConflictError {
  return new ConflictError('the process was detached: how it ends is not told here', {
    remedy: 'Look for it with topContainer.',
  });
}
