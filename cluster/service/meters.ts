import { collectDefaultMetrics, Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Report } from '../kubernetes/follow.ts';
import type { Resource } from '../resource.ts';

/** What Baton's services count alike, and how they make their own counts; documented in `docs/reference/metrics.md`. */
export interface Meters {
  counter: <L extends string>(name: string, help: string, labelNames?: readonly L[]) => Counter<L>;
  gauge: <L extends string>(name: string, help: string, labelNames?: readonly L[]) => Gauge<L>;
  /** A gauge whose value is asked for when the metrics are read. */
  asked: (name: string, help: string, value: () => number) => void;
  histogram: <L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly L[],
  ) => Histogram<L>;
  watched: (resource: Resource, report: Report) => void;
  requested: (request: { method: string; resource: Resource; status: number; ms: number }) => void;
  eventLost: () => void;
}

/** Buckets in seconds, of what is expected within milliseconds. */
export const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Meters of this registry, with those of the process. */
export function createMeters(register: Registry): Meters {
  const registers = [register];
  // Looked at every 10 ms, the event loop's delay would cost more than everything else that an idle service does.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100 });
  const counter: Meters['counter'] = (name, help, labelNames = []) =>
    new Counter({ name, help, labelNames, registers });
  const gauge: Meters['gauge'] = (name, help, labelNames = []) => new Gauge({ name, help, labelNames, registers });
  const histogram: Meters['histogram'] = (name, help, buckets, labelNames = []) =>
    new Histogram({ name, help, buckets: [...buckets], labelNames, registers });

  const requests = histogram('baton_api_request_duration_seconds', 'Requests to the API server.', SHORT, [
    'method',
    'resource',
  ]);
  const requestErrors = counter('baton_api_request_errors_total', 'Requests that the API server did not grant.', [
    'method',
    'resource',
    'status',
  ]);
  const watches = counter('baton_watch_events_total', 'What became of watches.', ['resource', 'type']);
  const lost = counter('baton_events_lost_total', 'Kubernetes events that could not be written.');

  return {
    counter,
    gauge,
    histogram,
    asked(name, help, value) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    },
    watched: ({ plural }, { type }) => watches.inc({ resource: plural, type }),
    requested({ method, resource: { plural: resource }, status, ms }) {
      requests.observe({ method, resource }, ms / 1000);
      if (status === 0 || status >= 400) requestErrors.inc({ method, resource, status });
    },
    eventLost: () => lost.inc(),
  };
}
