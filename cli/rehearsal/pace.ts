import { setTimeout as sleep } from 'node:timers/promises';

/** Says when a client's next request is due, in the milliseconds of `performance.now()`. */
export interface Pace {
  /** The time from which the next request's latency counts. With a rate that is its place in the schedule, even when late. */
  next(now: number): number;
}

/** One client's share of `rate` (per second, over all `clients`); undefined: at once, always. */
export function makePace(rate: number | undefined, index: number, clients: number, start: number): Pace {
  if (rate === undefined) return { next: (now) => now };
  const interval = (clients / rate) * 1000;
  let due = start + (index / clients) * interval - interval;
  return {
    next() {
      due += interval;
      return due;
    },
  };
}

/** Waits until the next request is due and returns that time; undefined once `signal` aborts. */
export async function untilDue(pace: Pace, signal: AbortSignal): Promise<number | undefined> {
  const due = pace.next(performance.now());
  const wait = due - performance.now();
  if (wait > 0) await pause(wait, signal);
  return signal.aborted ? undefined : due;
}

/** Waits `ms`, less when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
