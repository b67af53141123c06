import { type FSWatcher, watch } from 'node:fs';

/** Tells when a file may have grown, or something else may have taken its place. */
export class Growth implements Disposable {
  readonly #path: string;
  #watcher: FSWatcher;
  readonly #stop = new AbortController();
  #happened = false;
  #wake: (() => void) | undefined;
  finished = false;

  constructor(path: string, finished: Promise<unknown> | undefined, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#watcher = this.#watch();
    const finish = () => {
      this.finished = true;
      this.#notice();
    };
    finished?.then(finish, finish);
    signal?.addEventListener('abort', () => this.#notice(), { signal: this.#stop.signal });
  }

  async next(): Promise<void> {
    if (!this.#happened) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#happened = false;
  }

  /** Goes on with what lies at the path now. */
  renew(): void {
    const watcher = this.#watch();
    this.#watcher.close();
    this.#watcher = watcher;
    this.#notice();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#watcher.close();
  }

  #watch(): FSWatcher {
    const notice = () => this.#notice();
    return watch(this.#path, notice).on('error', notice);
  }

  #notice(): void {
    this.#happened = true;
    this.#wake?.();
  }
}
