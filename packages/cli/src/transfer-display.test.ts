import { describe, expect, it } from 'vitest';
import { formatBytes } from './format/bytes.ts';
import { TransferDisplay } from './transfer-display.ts';

const digest = `sha256:${'ab'.repeat(32)}`;

class Target {
  text = '';
  readonly columns = 40;
  readonly isTTY: boolean;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

describe('TransferDisplay', () => {
  it('writes one plain line for each layer where there is no terminal', () => {
    const target = new Target(false);
    using display = new TransferDisplay('Pulling alpine', target);
    for (const bytes of [0, 1024, 2048])
      display.show({ type: 'blob', digest, state: 'downloading', bytes, total: 2048 });
    display.show({ type: 'blob', digest, state: 'done', bytes: 2048, total: 2048 });
    expect(target.text).toBe('Pulling alpine\nabababababab  2.0 KiB\n');
  });

  it('draws the lines again in place on a terminal, and ends on the final state', () => {
    const target = new Target(true);
    const display = new TransferDisplay('Pulling alpine', target);
    display.show({ type: 'blob', digest, state: 'downloading', bytes: 1024, total: 2048 });
    display.show({ type: 'blob', digest, state: 'done', bytes: 2048, total: 2048 });
    display[Symbol.dispose]();
    expect(target.text).toContain('1.0 KiB of 2.0 KiB (50 %)\n');
    expect(target.text.endsWith('\x1b[1A\r\x1b[2Kabababababab  2.0 KiB\n')).toBe(true);
  });

  it('says nothing when everything is there already, or when it is to be quiet', () => {
    const target = new Target(false);
    const display = new TransferDisplay('Pulling alpine', target);
    display.show({ type: 'resolved', digest, total: 1 });
    display.show({ type: 'blob', digest, state: 'exists', bytes: 1, total: 1 });
    display[Symbol.dispose]();
    expect(target.text).toBe('');
    const quiet = new TransferDisplay('Pulling alpine', undefined);
    quiet.show({ type: 'blob', digest, state: 'done', bytes: 1, total: 1 });
    quiet[Symbol.dispose]();
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1.5 * 1024 ** 2, '1.5 MiB'],
    [1024 ** 6, '1048576.0 TiB'],
  ])('%d is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
