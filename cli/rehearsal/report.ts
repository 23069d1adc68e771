import type { Counters, Phase } from '../../api/pod-contract.ts';
import type { FailureReason, UpgradePhase } from '../../local/hot-upgrade.ts';
import type { UpgradeOutcome } from '../../local/upgrader.ts';
import type { Metric, Verdict } from './expectation.ts';
import { judge } from './expectation.ts';
import type { Fault } from './faults.ts';
import type { Latency, Load, LoadSummary } from './load-types.ts';
import type { Scenario } from './scenario.ts';
import type { Timeline } from './timeline.ts';

/** `report.json`; documented in `docs/reference/rehearsal.md`. Times in milliseconds. */
export interface Report {
  schema: 1;
  scenario: string;
  startedAt: string;
  durationMs: number;
  outcome: 'as-expected' | 'not-as-expected' | 'interrupted';
  sidecar: { name: string; host: string; port: number };
  load: Load;
  /** Null without a load of our own; so are `connections` and `latency`. */
  requests: LoadSummary['requests'] | null;
  connections: LoadSummary['connections'] | null;
  latency: LoadSummary['latency'] | null;
  upgrades: UpgradeReport[];
  expectations: Verdict[];
  /** When the timeline's `t` is 0, since `startedAt`; null without a load of our own. */
  timelineStartMs: number | null;
  timeline: Timeline;
}

export interface UpgradeReport {
  version: string;
  previousVersion: string;
  /** The container that runs the new version. */
  container: string;
  fault: Fault | null;
  /** Whether the fault was reached; null without one. */
  faultHappened: boolean | null;
  result: UpgradeOutcome['result'];
  reason: FailureReason | null;
  message: string | null;
  /** Since the report's `startedAt`. */
  startMs: number;
  durationMs: number;
  phases: { phase: UpgradePhase; ms: number }[];
  latency: Latency | null;
  /** From the last state file seen of each side; null when there was none. */
  predecessor: Side | null;
  successor: Side | null;
}

interface Side {
  phase: Phase;
  error: { code: string; message: string } | null;
  counters: Counters;
}

/** What a rehearsal brought to light. */
export interface Findings {
  startedAt: number;
  endedAt: number;
  port: number;
  summary: LoadSummary | undefined;
  upgrades: { outcome: UpgradeOutcome; fault: Fault | undefined; happened: boolean; latency: Latency | undefined }[];
  timeline: Timeline;
  interrupted: boolean;
}

/** Puts the report together and holds what came out against what the scenario expects. */
export function makeReport(scenario: Scenario, findings: Findings): Report {
  const { summary, startedAt, interrupted } = findings;
  const { name, host } = scenario.sidecar;
  const upgrades = findings.upgrades.map(({ outcome, fault, happened, latency }) => ({
    version: outcome.version,
    previousVersion: outcome.previousVersion,
    container: outcome.container,
    fault: fault ?? null,
    faultHappened: fault === undefined ? null : happened,
    result: outcome.result,
    reason: outcome.reason ?? null,
    message: outcome.message ?? null,
    startMs: outcome.startedAt - startedAt,
    durationMs: outcome.endedAt - outcome.startedAt,
    phases: outcome.phases,
    latency: latency ?? null,
    predecessor: sideOf(outcome.predecessor),
    successor: sideOf(outcome.successor),
  }));
  const expectations = interrupted
    ? []
    : [...judge(scenario.expect.figures, (metric) => figure(summary, metric)), ...judgeUpgrades(scenario, upgrades)];
  return {
    schema: 1,
    scenario: scenario.file,
    startedAt: new Date(startedAt).toISOString(),
    durationMs: findings.endedAt - startedAt,
    outcome: interrupted ? 'interrupted' : expectations.every(({ met }) => met) ? 'as-expected' : 'not-as-expected',
    sidecar: { name, host, port: findings.port },
    load: scenario.load,
    requests: summary?.requests ?? null,
    connections: summary?.connections ?? null,
    latency: summary?.latency ?? null,
    upgrades,
    expectations,
    timelineStartMs: summary ? summary.startedAt - startedAt : null,
    timeline: findings.timeline,
  };
}

function judgeUpgrades(scenario: Scenario, upgrades: readonly UpgradeReport[]): Verdict[] {
  return scenario.expect.upgrades.flatMap((expected, index) => {
    const upgrade = upgrades[index];
    const actual = upgrade?.result ?? 'not begun';
    const what = `upgrade ${index + 1}`;
    const verdicts: Verdict[] = expected === 'any' ? [] : [{ what, expected, actual, met: actual === expected }];
    // A fault that was never reached proves nothing.
    if (upgrade && upgrade.fault !== null && upgrade.faultHappened !== true) {
      verdicts.push({ what, expected: `fault ${upgrade.fault}`, actual: 'never reached', met: false });
    }
    return verdicts;
  });
}

/** A figure of the clients by its name; null if it was not measured. */
export function figure(summary: LoadSummary | undefined, metric: Metric): number | null {
  let value: unknown = summary;
  for (const name of metric.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  }
  return typeof value === 'number' ? value : null;
}

function sideOf(state: UpgradeOutcome['predecessor']): Side | null {
  return state ? { phase: state.phase, error: state.error ?? null, counters: state.counters } : null;
}
