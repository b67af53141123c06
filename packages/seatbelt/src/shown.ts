const MAX_LENGTH = 80;

/** A value as a message shows it: in quotes, its control characters escaped, cut. */
export function shown(value: unknown): string {
  const text = String(value);
  return JSON.stringify(text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text);
}
