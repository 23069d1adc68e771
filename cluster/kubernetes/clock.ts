/** Time as this process passes it; tests give their own. */
export interface Clock {
  /** Milliseconds that only grow; only their differences mean something. */
  now(): number;
  /** Calls `act` after so many milliseconds, unless the function that is returned is called before. */
  after(ms: number, act: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many milliseconds, or as soon as the signal aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener('abort', done);
  });
}

/** Milliseconds to wait after so many failures in a row: doubled each time up to `max`, and of that a random half or more. */
export function backoff(
  failures: number,
  { base, max, random }: { base: number; max: number; random: () => number },
): number {
  return Math.min(max, base * 2 ** (failures - 1)) * (0.5 + random() / 2);
}
