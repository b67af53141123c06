/** Lets a caller give up. An aborted call rejects with the signal's reason and leaves nothing half done. */
export interface Cancellable {
  signal?: AbortSignal | undefined;
}
