import { failureReasons } from '../api/upgrade-record.ts';
import { SHORT, type Meters } from '../cluster/service/meters.ts';
import type { News } from './chronicle.ts';

/** What the agent counts; documented in `docs/reference/metrics.md`. */
export interface Metrics {
  happened: (news: News) => void;
  pulled: (report: { outcome: string; ms: number }) => void;
  /** Upgrades that were under way in a pod that is gone. */
  gone: (count: number) => void;
  looked: (seconds: number) => void;
  lookFailed: () => void;
}

const PHASES = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1200];
const PAUSES = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];
const RESULTS = ['done', 'withdrawn', 'gone'] as const;
const PROBLEMS = ['Degraded', 'Blocked', 'HeldBack'] as const;
const FATES = ['moved', 'finished', 'cut'] as const;

/** @param asked - what is asked when the metrics are read */
export function createMetrics(
  { counter, asked, histogram }: Meters,
  now: { inProgress: () => number; waiting: () => number; pods: () => number },
): Metrics {
  const upgrades = counter('baton_upgrades_total', 'Upgrades of pods that have ended.', ['result', 'reason']);
  const whole = histogram('baton_upgrade_duration_seconds', 'From the first change of a pod to the end.', PHASES, [
    'result',
  ]);
  const phases = histogram('baton_upgrade_phase_duration_seconds', 'How long phases lasted.', PHASES, ['phase']);
  const pause = histogram('baton_handover_pause_seconds', 'From connecting to the old copy until accepting.', PAUSES);
  const connections = counter('baton_handover_connections_total', 'Connections of old copies.', ['fate']);
  const pulls = histogram('baton_pull_duration_seconds', 'Pulls of images before upgrades.', PHASES, ['result']);
  const problems = counter('baton_upgrade_problems_total', 'Pods found in trouble.', ['problem']);
  const looks = histogram('baton_look_duration_seconds', 'One look at a pod, with its step.', SHORT);
  const failures = counter('baton_look_errors_total', 'Looks that failed and are taken again.');
  asked('baton_upgrades_in_progress', 'Pods whose upgrade is under way.', now.inProgress);
  asked('baton_upgrades_waiting', 'Granted pods that wait for others of the node.', now.waiting);
  asked('baton_node_pods', 'Injected pods of the node.', now.pods);
  // What begins at 1 does not increase: the first of each would be seen by nobody.
  for (const fate of FATES) connections.inc({ fate }, 0);
  for (const result of RESULTS) upgrades.inc({ result, reason: '' }, 0);
  for (const reason of failureReasons) upgrades.inc({ result: 'failed', reason }, 0);
  for (const problem of PROBLEMS) problems.inc({ problem }, 0);

  return {
    happened(news) {
      if (news.is === 'problem') problems.inc({ problem: news.what });
      if (news.is !== 'phase') return;
      const { phase, record, isNew, before, ms, handover } = news;
      if (!isNew) return;
      if (before && before.phase !== phase) phases.observe({ phase: before.phase }, before.ms / 1000);
      if (phase === 'Resetting') {
        for (const one of handover.pauses) pause.observe(one / 1000);
        for (const fate of FATES) connections.inc({ fate }, handover[fate]);
      }
      if (phase !== 'Done' && phase !== 'Failed' && phase !== 'Withdrawn') return;
      const result = phase === 'Done' ? 'done' : phase === 'Failed' ? 'failed' : 'withdrawn';
      upgrades.inc({ result, reason: phase === 'Failed' ? (record.reason ?? '') : '' });
      whole.observe({ result }, ms / 1000);
    },
    pulled: ({ outcome, ms }) => pulls.observe({ result: outcome }, ms / 1000),
    gone: (count) => upgrades.inc({ result: 'gone', reason: '' }, count),
    looked: (seconds) => looks.observe(seconds),
    lookFailed: () => failures.inc(),
  };
}
