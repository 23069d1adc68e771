import type { Logger } from 'pino';
import type { Report } from '../kubernetes/follow.ts';
import type { Resource } from '../resource.ts';
import type { Meters } from './meters.ts';

/** What became of a service's watches. */
export interface WatchBook {
  /** Counts how a watch fares, and logs what went wrong with it. */
  report: (resource: Resource, report: Report) => void;
  /** By resource, when it was listed last, with how many objects, and what was last said of it; for `/debug/state`. */
  state: () => Record<string, WatchState>;
}

export interface WatchState {
  listedAt?: string;
  objects?: number;
  last: { type: Report['type']; at: string; message?: string };
}

/** @param now - milliseconds since the epoch */
export function createWatchBook(meters: Meters, log: Logger, now: () => number): WatchBook {
  const states = new Map<string, WatchState>();
  return {
    report(resource, report) {
      meters.watched(resource, report);
      const at = new Date(now()).toISOString();
      const isList = report.type === 'listed';
      states.set(resource.plural, {
        ...states.get(resource.plural),
        ...(isList && { listedAt: at, objects: report.objects }),
        last: { type: report.type, at, ...(report.type === 'failed' && { message: report.error.message }) },
      });
      if (report.type !== 'failed') return;
      // The API server forgets: that is its everyday life.
      const level = report.error.code === 'ERR_BATON_GONE' ? 'info' : 'warn';
      log[level]({ err: report.error, retryIn: report.retryIn }, `watch of ${resource.plural}`);
    },
    state: () => Object.fromEntries(states),
  };
}
