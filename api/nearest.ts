/** The name that `wrong` was probably meant to be: the fewest edits, at most a third of its length (and 2 for short ones). */
export function nearest(wrong: string, names: readonly string[]): string | undefined {
  const most = Math.max(2, Math.floor(wrong.length / 3));
  let best: string | undefined;
  let fewest = most + 1;
  for (const name of names) {
    const needed = edits(wrong.toLowerCase(), name.toLowerCase());
    if (needed < fewest) {
      fewest = needed;
      best = name;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const kept = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(kept, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
