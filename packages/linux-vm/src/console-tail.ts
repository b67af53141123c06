import { open } from 'node:fs/promises';

const TAIL_BYTES = 4096;
const TAIL_LINES = 20;

/** Text that a guest wrote, made safe to print: no control characters but the newlines between lines. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to go
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll(/[^\P{C}\n]/gu, '');
}

/** The last lines that a guest wrote to its console, to explain a failure; empty when there is nothing to read. */
export async function consoleTail(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    const lines = printable(buffer.subarray(0, bytesRead).toString('utf8')).split('\n');
    return lines
      .map((line) => line.trimEnd())
      .filter((line) => line !== '')
      .slice(-TAIL_LINES)
      .join('\n');
  } catch {
    return '';
  }
}
