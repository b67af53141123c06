/** The longest word that is compared; longer ones are no misspelling. */
const MAX_LENGTH = 64;

/**
 * The known word that is most likely meant: the same one in other letters (`ReadOnly`, `read-only`), or the one that
 * the fewest insertions, deletions, replacements and swaps of neighbours lead to, as long as that is at most a third of
 * the letters.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const folded = fold(word);
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of known) {
    const target = fold(candidate);
    const distance = editDistance(folded, target);
    const allowed = Math.max(1, Math.floor(Math.max(folded.length, target.length) / 3));
    // Of two words nothing would be left in common.
    if (distance > allowed || distance >= Math.min(folded.length, target.length)) continue;
    if (best === undefined || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate;
}

const fold = (word: string) => word.toLowerCase().replace(/[_-]/g, '');

/** Optimal string alignment: as Levenshtein's, and a swap of neighbours counts once. */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current.push(
        Math.min(
          at(last, column) + 1,
          at(current, column - 1) + 1,
          at(last, column - 1) + (same ? 0 : 1),
          swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

const at = (row: number[], column: number) => row[column] ?? Number.POSITIVE_INFINITY;
