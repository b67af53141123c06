/** A text as a message shows it: in quotes, its control characters escaped, cut at 80 characters. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : String(value);
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  return typeof value === 'string' ? shown : shown.slice(1, -1);
}

/** A text as the subject of an error: whole, unless it is too long to be meant. */
export function subjectOf(value: unknown): string {
  const text = String(value);
  return text.length > 256 ? `${text.slice(0, 256)}…` : text;
}
