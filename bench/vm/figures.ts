/** The middle of some measurements. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

/** How long something takes, in milliseconds. */
export async function elapsed(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

export interface Row {
  what: string;
  /** The yardstick, with its unit. */
  yardstick: string;
  /** What was measured, with its unit. */
  measured: string;
  /** What the two make together: a ratio, a difference. */
  result: string;
  goal: string;
  isMet: boolean;
}

/** A row of a Markdown table. */
export function tableRow({ what, yardstick, measured, result, goal, isMet }: Row): string {
  return `| ${[what, yardstick, measured, result, goal, isMet ? 'yes' : 'no'].join(' | ')} |`;
}

export const TABLE_HEAD = '| | yardstick | measured | result | goal | met |\n|---|---|---|---|---|---|';
