/** How much of a text that the guest sends ends up in an error. */
const MAX_TEXT = 2048;

/**
 * Text from the guest as an error shows it: without escape sequences and control characters but newlines, and bounded.
 */
export function printable(text: string): string {
  const bounded = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to go
  return bounded.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll(/[^\P{C}\n]/gu, '');
}
