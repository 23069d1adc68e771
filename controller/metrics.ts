import type { SidecarSet } from '../api/sidecar-set.ts';
import { SHORT, type Meters } from '../cluster/service/meters.ts';
import { isUpgrading } from './rollout/conditions.ts';
import type { Plan } from './rollout/plan.ts';
import type { Verdict } from './rollout/verdict.ts';

/** What the controller counts; documented in `docs/reference/metrics.md`. */
export interface Metrics {
  reconciled: (seconds: number, queuedSeconds: number) => void;
  reconcileFailed: () => void;
  planned: (set: SidecarSet, plan: Plan) => void;
  forgotten: (set: string) => void;
  answered: (answer: { path: string; status: number; allowed?: boolean; milliseconds: number }) => void;
  leading: (leads: boolean) => void;
  /** @param end - of the certificate that is served now; milliseconds since the epoch */
  certified: (end: number) => void;
  standingAside: (aside: boolean) => void;
  counted: (census: { labelled: number; missed: ReadonlyMap<string, number> }) => void;
}

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
export function createMetrics({ counter, gauge, asked, histogram }: Meters, queueLength: () => number): Metrics {
  const reconcile = histogram('baton_reconcile_duration_seconds', 'Duration of one step of a set’s rollout.', LONG);
  const queued = histogram('baton_queue_wait_seconds', 'How long a set waited for its step.', LONG);
  const failures = counter('baton_reconcile_errors_total', 'Steps that failed and are taken again.');
  asked('baton_queue_length', 'Sets that wait for a step.', queueLength);
  const pods = gauge('baton_rollout_pods', 'Matched pods of a set by what becomes of them.', ['sidecarset', 'state']);
  const upgrading = gauge('baton_rollout_upgrading', '1 while pods are upgraded or wait for others.', ['sidecarset']);
  const halted = gauge('baton_rollout_halted', '1 while a set’s rollout is halted by failed pods.', ['sidecarset']);
  const missed = gauge('baton_missed_pods', 'Pods that match a set and were never injected.', ['sidecarset']);
  const adopted = counter('baton_adopted_pods_total', 'Pods injected by OpenKruise that got Baton’s label.');
  const webhook = histogram('baton_webhook_duration_seconds', 'Duration of one review.', SHORT, ['path']);
  const answers = counter('baton_webhook_responses_total', 'Reviews answered.', ['path', 'status', 'allowed']);
  const certificate = gauge(
    'baton_webhook_certificate_expiration_timestamp_seconds',
    'When the certificate that the webhooks serve with ends.',
  );
  const leader = gauge('baton_leader', '1 while this replica leads.');
  const second = gauge(
    'baton_second_controller',
    '1 while another controller acts on SidecarSets, so that Baton does not.',
  );

  return {
    reconciled(seconds, queuedSeconds) {
      reconcile.observe(seconds);
      queued.observe(queuedSeconds);
    },
    reconcileFailed: () => failures.inc(),
    planned(set, plan) {
      const sidecarset = set.metadata.name ?? '';
      const counts = new Map<Verdict, number>();
      for (const { verdict } of plan.pods) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      for (const state of STATES) pods.set({ sidecarset, state }, counts.get(state) ?? 0);
      upgrading.set({ sidecarset }, isUpgrading(set, plan) ? 1 : 0);
      halted.set({ sidecarset }, plan.halted ? 1 : 0);
    },
    forgotten(sidecarset) {
      for (const state of STATES) pods.remove({ sidecarset, state });
      upgrading.remove({ sidecarset });
      halted.remove({ sidecarset });
      missed.remove({ sidecarset });
    },
    answered({ path, status, allowed, milliseconds }) {
      webhook.observe({ path }, milliseconds / 1000);
      answers.inc({ path, status, allowed: allowed === undefined ? '' : String(allowed) });
    },
    certified: (end) => certificate.set(end / 1000),
    standingAside: (aside) => second.set(aside ? 1 : 0),
    leading(leads) {
      leader.set(leads ? 1 : 0);
      if (leads) return;
      // Another replica counts them now.
      pods.reset();
      upgrading.reset();
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
