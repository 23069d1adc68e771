import { backoff, systemClock, type Clock } from './clock.ts';

export interface QueueOptions {
  /**
   * Does the work for a key: level-based, from what is seen then. Resolves with the milliseconds after which it wants to be
   * called again even if nothing happens; where it rejects, it is called again with growing pauses.
   */
  work: (key: string) => Promise<number | undefined>;
  /** How many keys are worked on at once. */
  workers: number;
  /** Told of each failure, with the milliseconds until the next try. */
  onFailure: (key: string, error: unknown, retryIn: number) => void;
  /** Told of each piece of work that ended well or badly, in milliseconds; for metrics. */
  onDone?: (key: string, times: { waited: number; worked: number }) => void;
  /** The longest pause after failures in milliseconds; the default is a minute. */
  longestPause?: number;
  clock?: Clock;
  random?: () => number;
}

export interface Queue {
  /** Has the key worked on soon: once however often it is asked for before; once more if it is being worked on. */
  add(key: string): void;
  /** As `add`, after so many milliseconds; the earliest moment asked for counts, and the work itself settles it. */
  addAfter(key: string, ms: number): void;
  /** Keys that wait for a worker. */
  readonly length: number;
  /** Takes no more keys, drops those that wait, and resolves when the work under way has ended. */
  stop(): Promise<void>;
}

/** Pauses after failures in milliseconds: at most 10, 20, 40, and so on. */
const SHORTEST_PAUSE = 10;

/** A work queue: each key once, and never one key twice at the same time. */
export function createQueue(options: QueueOptions): Queue {
  const { work, workers, onFailure, onDone, clock = systemClock, random = Math.random } = options;
  const pauses = { base: SHORTEST_PAUSE, max: options.longestPause ?? 60_000, random };
  /** In the order of arrival, with the moment of it. */
  const waiting = new Map<string, number>();
  const working = new Map<string, Promise<void>>();
  /** Asked for while they were worked on, and since when. */
  const dirty = new Map<string, number>();
  const later = new Map<string, { at: number; cancel: () => void }>();
  const failures = new Map<string, number>();
  let stopped = false;

  const add = (key: string): void => {
    if (stopped) return;
    const marks = working.has(key) ? dirty : waiting;
    if (!marks.has(key)) marks.set(key, clock.now());
    startNext();
  };

  const addAfter = (key: string, ms: number): void => {
    if (stopped) return;
    const at = clock.now() + ms;
    const planned = later.get(key);
    if (planned && planned.at <= at) return;
    planned?.cancel();
    const cancel = clock.after(ms, () => {
      later.delete(key);
      add(key);
    });
    later.set(key, { at, cancel });
  };

  const startNext = (): void => {
    for (const [key, since] of waiting) {
      if (working.size >= workers) return;
      waiting.delete(key);
      working.set(key, run(key, since));
    }
  };

  const run = async (key: string, since: number): Promise<void> => {
    // Not in the caller's own turn: `add` returns before any work begins.
    await Promise.resolve();
    // The work sees everything up to now, so what was planned is its own to ask for again.
    later.get(key)?.cancel();
    later.delete(key);
    const startedAt = clock.now();
    let again: number | undefined;
    try {
      again = await work(key);
      failures.delete(key);
    } catch (error) {
      const count = (failures.get(key) ?? 0) + 1;
      failures.set(key, count);
      again = backoff(count, pauses);
      onFailure(key, error, again);
    }
    onDone?.(key, { waited: startedAt - since, worked: clock.now() - startedAt });
    working.delete(key);
    const asked = dirty.get(key);
    dirty.delete(key);
    if (!stopped && asked !== undefined) waiting.set(key, asked);
    if (again !== undefined) addAfter(key, again);
    startNext();
  };

  return {
    add,
    addAfter,
    get length() {
      return waiting.size;
    },
    async stop() {
      stopped = true;
      waiting.clear();
      dirty.clear();
      for (const { cancel } of later.values()) cancel();
      later.clear();
      await Promise.all(working.values());
    },
  };
}
