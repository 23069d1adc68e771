import type { Logger } from 'pino';
import type { Report } from '../kubernetes/follow.ts';
import type { Resource } from '../resource.ts';
import type { Meters } from './meters.ts';

/** Counts how watches fare, and logs what went wrong with them. */
export const watchReporter =
  (meters: Meters, log: Logger) =>
  (resource: Resource, report: Report): void => {
    meters.watched(resource, report);
    if (report.type !== 'failed') return;
    // The API server forgets: that is its everyday life.
    const level = report.error.code === 'ERR_BATON_GONE' ? 'info' : 'warn';
    log[level]({ err: report.error, retryIn: report.retryIn }, `watch of ${resource.plural}`);
  };
