/** What C or its standard headers (as macros) keep for themselves. */
const RESERVED = new Set(['default', 'errno', 'register', 'signed', 'stderr', 'stdin', 'stdout', 'union', 'unix']);

/** `StdinEof` and `stdinEof` as `stdin_eof`; with an underscore behind it where C has the word already. */
export function snakeCase(name: string): string {
  const snake = name.replaceAll(/(?<!^)[A-Z]/g, '_$&').toLowerCase();
  return RESERVED.has(snake) ? `${snake}_` : snake;
}

/** `StdinEof` as `STDIN_EOF`. */
export function constantCase(name: string): string {
  return name.replaceAll(/(?<!^)[A-Z]/g, '_$&').toUpperCase();
}
