/**
 * Counts of whole microseconds. Percentiles are exact to that microsecond, and memory grows with the number of different
 * values, not of samples.
 */
export type Histogram = Map<number, number>;

/** Adds one sample, in milliseconds. */
export function addSample(histogram: Histogram, ms: number): void {
  const us = Math.max(0, Math.round(ms * 1000));
  histogram.set(us, (histogram.get(us) ?? 0) + 1);
}

/**
 * The smallest samples, in milliseconds, that at least `percents` of all samples do not exceed (nearest rank), in the
 * order asked for; null where there is no sample.
 */
export function percentiles(histogram: Histogram, percents: readonly number[]): (number | null)[] {
  let total = 0;
  for (const count of histogram.values()) total += count;
  if (total === 0) return percents.map(() => null);
  const values = [...histogram.keys()].sort((a, b) => a - b);
  return percents.map((percent) => {
    const rank = Math.max(1, Math.ceil((percent / 100) * total));
    let seen = 0;
    for (const value of values) {
      seen += histogram.get(value) ?? 0;
      if (seen >= rank) return value / 1000;
    }
    return null;
  });
}
