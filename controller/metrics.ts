import { collectDefaultMetrics, Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Report } from '../cluster/kubernetes/follow.ts';
import type { Plan } from './rollout/plan.ts';
import type { Verdict } from './rollout/verdict.ts';

/** What the controller counts; documented in `docs/reference/metrics.md`. */
export interface Metrics {
  reconciled: (seconds: number, queuedSeconds: number) => void;
  reconcileFailed: () => void;
  planned: (set: string, plan: Plan) => void;
  forgotten: (set: string) => void;
  answered: (answer: { path: string; status: number; allowed?: boolean; milliseconds: number }) => void;
  watched: (resource: string, report: Report) => void;
  requested: (request: { method: string; resource: string; status: number; ms: number }) => void;
  leading: (leads: boolean) => void;
  counted: (census: { labelled: number; missed: ReadonlyMap<string, number> }) => void;
}

const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const LONG = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Verdicts of pods that are a set's. */
const STATES: readonly Verdict[] = [
  'updated',
  'upgrade',
  'grant',
  'upgrading',
  'waiting',
  'notSelected',
  'notUpgradable',
  'failed',
  'noAgent',
  'blocked',
];

/** @param queueLength - asked when the metrics are read */
export function createMetrics(register: Registry, queueLength: () => number): Metrics {
  const registers = [register];
  collectDefaultMetrics({ register });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> => new Histogram({ name, help, buckets, labelNames, registers });

  const reconcile = histogram('baton_reconcile_duration_seconds', 'Duration of one step of a set’s rollout.', LONG);
  const queued = histogram('baton_queue_wait_seconds', 'How long a set waited for its step.', LONG);
  const failures = counter('baton_reconcile_errors_total', 'Steps that failed and are taken again.');
  new Gauge({
    name: 'baton_queue_length',
    help: 'Sets that wait for a step.',
    registers,
    collect() {
      this.set(queueLength());
    },
  });
  const pods = gauge('baton_rollout_pods', 'Matched pods of a set by what becomes of them.', ['sidecarset', 'state']);
  const halted = gauge('baton_rollout_halted', '1 while a set’s rollout is halted by failed pods.', ['sidecarset']);
  const missed = gauge('baton_missed_pods', 'Pods that match a set and were never injected.', ['sidecarset']);
  const adopted = counter('baton_adopted_pods_total', 'Pods injected by OpenKruise that got Baton’s label.');
  const webhook = histogram('baton_webhook_duration_seconds', 'Duration of one review.', SHORT, ['path']);
  const answers = counter('baton_webhook_responses_total', 'Reviews answered.', ['path', 'status', 'allowed']);
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
  const leader = gauge('baton_leader', '1 while this replica leads.');

  return {
    reconciled(seconds, queuedSeconds) {
      reconcile.observe(seconds);
      queued.observe(queuedSeconds);
    },
    reconcileFailed: () => failures.inc(),
    planned(sidecarset, plan) {
      const counts = new Map<Verdict, number>();
      for (const { verdict } of plan.pods) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      for (const state of STATES) pods.set({ sidecarset, state }, counts.get(state) ?? 0);
      halted.set({ sidecarset }, plan.halted ? 1 : 0);
    },
    forgotten(sidecarset) {
      for (const state of STATES) pods.remove({ sidecarset, state });
      halted.remove({ sidecarset });
      missed.remove({ sidecarset });
    },
    answered({ path, status, allowed, milliseconds }) {
      webhook.observe({ path }, milliseconds / 1000);
      answers.inc({ path, status, allowed: allowed === undefined ? '' : String(allowed) });
    },
    watched: (resource, { type }) => watches.inc({ resource, type }),
    requested({ method, resource, status, ms }) {
      requests.observe({ method, resource }, ms / 1000);
      if (status === 0 || status >= 400) requestErrors.inc({ method, resource, status });
    },
    leading(leads) {
      leader.set(leads ? 1 : 0);
      if (leads) return;
      // Another replica counts them now.
      pods.reset();
      halted.reset();
      missed.reset();
    },
    counted({ labelled, missed: bySet }) {
      adopted.inc(labelled);
      missed.reset();
      for (const [sidecarset, count] of bySet) missed.set({ sidecarset }, count);
    },
  };
}
