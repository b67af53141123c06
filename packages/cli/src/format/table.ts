/** Columns aligned as Docker does: the widest cell, and three spaces. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((line) => line.map(printable));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

const pad = (cell: string, width: number): string => cell.padEnd(width);

/** What comes from images and workloads does not get to control the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (control) =>
    JSON.stringify(control)
      .slice(1, -1)
      .replace(/^[^\\].*$/u, '?'),
  );
}
