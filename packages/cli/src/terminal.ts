import type { TerminalSize } from '@zlayer/runtime-core';
import type { Cli, TextTarget } from './cli.ts';

/** Hands every key to the workload until disposed of; the terminal is as it was after that. */
export function rawMode({ stdin }: Pick<Cli, 'stdin'>): Disposable {
  if (!stdin.isTTY || !stdin.setRawMode) return { [Symbol.dispose]: () => {} };
  const restore = (): void => void stdin.setRawMode?.(false);
  stdin.setRawMode(true);
  // Also when the program ends in a way that nobody has foreseen.
  process.once('exit', restore);
  return {
    [Symbol.dispose]: () => {
      process.off('exit', restore);
      restore();
    },
  };
}

/** The size of a terminal; `undefined` for one that does not know it. */
export function sizeOf({ columns, rows }: TextTarget): TerminalSize | undefined {
  return columns && rows ? { columns, rows } : undefined;
}

/** Tells the size now, and each new one. */
export function followSize(target: TextTarget, tell: (size: TerminalSize) => Promise<void>): Disposable {
  const update = (): void => {
    const size = sizeOf(target);
    // The workload may have ended meanwhile.
    if (size) tell(size).catch(() => {});
  };
  target.on('resize', update);
  update();
  return { [Symbol.dispose]: () => void target.off('resize', update) };
}
