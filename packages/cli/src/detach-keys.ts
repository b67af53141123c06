import { ZlayerError } from '@zlayer/runtime-core';
import type { Command } from 'commander';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** Adds the option of commands that can be left without an end of what they started. */
export function withDetachKeys(command: Command): Command {
  return command.option('--detach-keys <keys>', `what leaves it running (default: ${DEFAULT_DETACH_KEYS})`);
}

/**
 * The bytes of keys such as `ctrl-p,ctrl-q` or `ctrl-a,d`. None for the empty text.
 *
 * @throws ZlayerError `INVALID_SPEC`
 */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(key)} is not a key to detach with`, {
      subject: text,
      remedy: 'Use characters and ctrl-LETTER, separated by commas, such as ctrl-p,ctrl-q.',
    });
  });
}

/** Looks for the keys in what is typed. What could be their beginning is held back until it is clear that it is not. */
export class DetachKeys {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What is to be passed on, and whether the keys are complete; what comes behind them is nobody's. */
  take(data: Uint8Array): { data: Uint8Array; isDetached: boolean } {
    if (this.#keys.length === 0) return { data, isDetached: false };
    const passed: number[] = [];
    for (const byte of data) {
      if (byte !== this.#keys[this.#matched] && this.#matched > 0) {
        passed.push(...this.#keys.slice(0, this.#matched));
        this.#matched = 0;
      }
      if (byte === this.#keys[this.#matched]) this.#matched += 1;
      else passed.push(byte);
      if (this.#matched === this.#keys.length) return { data: Uint8Array.from(passed), isDetached: true };
    }
    return { data: Uint8Array.from(passed), isDetached: false };
  }
}
