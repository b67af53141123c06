/** One JSON document, to be read by people as well. Large integers become text. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, plain, 2);
}

/** One line of JSON, for streams. */
export function formatJsonLine(value: unknown): string {
  return JSON.stringify(value, plain);
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
