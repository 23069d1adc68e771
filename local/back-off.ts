/** How long a crashed container waits before its next start, in milliseconds. */
export interface BackOff {
  /** The second restart's delay; the first comes at once. */
  base: number;
  max: number;
  /** A life that lasted this long is forgiven: its crash counts as the first. */
  resetAfter: number;
}

/** The kubelet's rule with its 10 seconds shortened to 1: a rehearsal should not wait for it. */
export const rehearsalBackOff: BackOff = { base: 1_000, max: 30_000, resetAfter: 60_000 };

/**
 * The delay before the next start: 0, then `base`, doubling to `max`. `previous` is the delay before the life that just
 * ended (undefined when it was not started by a crash), `ranFor` how long it lasted.
 */
export function restartDelay(previous: number | undefined, ranFor: number, backOff: BackOff): number {
  if (previous === undefined || ranFor >= backOff.resetAfter) return 0;
  return previous === 0 ? backOff.base : Math.min(previous * 2, backOff.max);
}
