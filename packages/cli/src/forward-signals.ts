import { signalNumber } from '@zlayer/runtime-core';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** A user who presses Ctrl-C this often wants out, whatever the workload makes of the signal. */
const INSISTENCE = 3;

export interface SignalForwarding extends Disposable {
  /** Aborted by a signal that comes before the workload runs. */
  readonly signal: AbortSignal;
  /** Number of that signal. */
  readonly interrupted: number | undefined;
  /** From now on signals are the workload's. */
  started(): void;
}

/** Hands the signals that this process gets to the workload; before there is one, they cancel its start. */
export function forwardSignals(deliver: (signal: string) => Promise<void>): SignalForwarding {
  const cancel = new AbortController();
  let running = false;
  let interrupted: number | undefined;
  let interrupts = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!running) {
      interrupted = signalNumber(signal);
      cancel.abort();
      return;
    }
    if (signal === 'SIGINT') interrupts += 1;
    // A workload that has just ended has no use for the signal any more.
    deliver(interrupts >= INSISTENCE ? 'SIGKILL' : signal).catch(() => {});
  };
  for (const signal of FORWARDED) process.on(signal, onSignal);
  return {
    signal: cancel.signal,
    get interrupted() {
      return interrupted;
    },
    started: () => {
      running = true;
    },
    [Symbol.dispose]: () => {
      for (const signal of FORWARDED) process.off(signal, onSignal);
    },
  };
}
