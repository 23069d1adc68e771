import type { UpgradePhase } from '../../../api/upgrade-record.ts';
import type { Verdict as PodVerdictName } from '../../../controller/rollout/verdict.ts';
import { judge, judgeFigure, type Verdict } from '../expectation.ts';
import type { Latency, Load, LoadSummary } from '../load-types.ts';
import { figure } from '../report.ts';
import type { Timeline } from '../timeline.ts';
import type { RolloutFindings, StepOutcome } from './run.ts';
import type { RolloutMetric, RolloutScenario } from './scenario.ts';
import type { StepFigure } from './steps.ts';

/** `report.json` of a rollout; documented in `docs/reference/rehearsal.md`. Times in milliseconds. */
export interface RolloutReport {
  schema: 1;
  kind: 'rollout';
  scenario: string;
  startedAt: string;
  durationMs: number;
  outcome: 'as-expected' | 'not-as-expected' | 'interrupted';
  sidecarSets: string[];
  port: number;
  load: Load;
  /** Null without a load of our own; so are `connections` and `latency`. */
  requests: LoadSummary['requests'] | null;
  connections: LoadSummary['connections'] | null;
  latency: LoadSummary['latency'] | null;
  steps: StepReport[];
  pods: PodReport[];
  /** Of the images with a fault: whether it happened. */
  faults: { image: string; fault: string; happened: boolean }[];
  expectations: Verdict[];
  /** When the timeline's `t` is 0, since `startedAt`; null without a load of our own. */
  timelineStartMs: number | null;
  timeline: Timeline;
}

export interface StepReport {
  name: string;
  sidecarSet: string | null;
  /** `halted`: too many pods failed, and nothing moves any more. */
  result: 'settled' | 'halted' | 'timed-out' | 'interrupted';
  /** Since the report's `startedAt`. */
  startMs: number;
  durationMs: number;
  /** Counts of pods when it was over. */
  pods: Record<Exclude<StepFigure, 'unavailable' | 'notReady'>, number>;
  /** The most pods at any moment of the step. */
  unavailable: { most: number; allowed: number | null };
  notReady: { most: number };
  latency: Latency | null;
}

export interface PodReport {
  namespace: string;
  name: string;
  address: string;
  /** What it was in turn; each lasts until the next one begins. */
  moments: { startMs: number; images: string; phase: UpgradePhase | null; ready: boolean }[];
  /** Null while it is there. */
  goneMs: number | null;
  /** What it is to each set's rollout in the end, and why. */
  sidecarSets: { name: string; verdict: PodVerdictName; reason: string }[];
}

/** Puts the report together and holds what came out against what the scenario expects. */
export function makeRolloutReport(scenario: RolloutScenario, findings: RolloutFindings): RolloutReport {
  const { summary, startedAt, interrupted } = findings;
  const steps = findings.steps.map((outcome) => stepReport(outcome, startedAt));
  const faults = findings.faults;
  const expectations = interrupted
    ? []
    : [
        ...judge(scenario.expect, (metric) => figureOf(metric, summary, steps)),
        ...scenario.steps.flatMap((_, index) => judgeStep(scenario, steps, index)),
        ...faults.filter(({ happened }) => !happened).map(neverReached),
      ];
  return {
    schema: 1,
    kind: 'rollout',
    scenario: scenario.file,
    startedAt: new Date(startedAt).toISOString(),
    durationMs: findings.endedAt - startedAt,
    outcome: interrupted ? 'interrupted' : expectations.every(({ met }) => met) ? 'as-expected' : 'not-as-expected',
    sidecarSets: [...scenario.sidecarSets, ...scenario.steps.flatMap(({ create }) => create.sidecarSets)].map(
      ({ metadata }) => metadata.name ?? '',
    ),
    port: scenario.port,
    load: scenario.load,
    requests: summary?.requests ?? null,
    connections: summary?.connections ?? null,
    latency: summary?.latency ?? null,
    steps,
    pods: findings.pods.map(({ namespace, name, address, moments, goneAt, verdicts }) => ({
      namespace,
      name,
      address,
      moments: moments.map(({ at, ...moment }) => ({ startMs: at - startedAt, ...moment })),
      goneMs: goneAt === undefined ? null : goneAt - startedAt,
      sidecarSets: Object.entries(verdicts).map(([set, { verdict, reason }]) => ({ name: set, verdict, reason })),
    })),
    faults,
    expectations,
    timelineStartMs: summary ? summary.startedAt - startedAt : null,
    timeline: findings.timeline,
  };
}

function stepReport(outcome: StepOutcome, startedAt: number): StepReport {
  const { step, result, plan, unavailable, allowed, notReady, latency } = outcome;
  const having = (verdict: PodVerdictName): number => plan?.pods.filter((pod) => pod.verdict === verdict).length ?? 0;
  return {
    name: step.name,
    sidecarSet: step.sidecarSet ?? null,
    result: result === 'settled' && plan?.halted ? 'halted' : result,
    startMs: outcome.startedAt - startedAt,
    durationMs: outcome.endedAt - outcome.startedAt,
    pods: {
      matched: plan?.status.matchedPods ?? 0,
      ready: plan?.status.readyPods ?? 0,
      updated: having('updated'),
      waiting: having('waiting'),
      failed: having('failed'),
      notSelected: having('notSelected'),
      notUpgradable: having('notUpgradable'),
      blocked: having('blocked'),
    },
    unavailable: { most: unavailable, allowed },
    notReady: { most: notReady },
    latency: latency ?? null,
  };
}

function judgeStep(scenario: RolloutScenario, steps: readonly StepReport[], index: number): Verdict[] {
  const step = steps[index];
  const { figures, halted } = scenario.steps[index]?.expect ?? { figures: [], halted: false };
  const what = `step ${index + 1}`;
  const wanted = halted ? 'halted' : 'settled';
  const actual = step?.result ?? 'not begun';
  const ended: Verdict = { what, expected: wanted, actual, met: actual === wanted };
  if (!step) return [ended];
  const value = (name: StepFigure): number => {
    if (name === 'unavailable') return step.unavailable.most;
    return name === 'notReady' ? step.notReady.most : step.pods[name];
  };
  const verdicts = figures.map(({ metric, ...comparison }) =>
    judgeFigure(`${what} ${metric}`, value(metric), comparison),
  );
  const { most, allowed } = step.unavailable;
  if (allowed !== null && !figures.some(({ metric }) => metric === 'unavailable')) {
    verdicts.push(judgeFigure(`${what} unavailable`, most, { operator: '<=', value: allowed }));
  }
  return [ended, ...verdicts];
}

function figureOf(
  metric: RolloutMetric,
  summary: LoadSummary | undefined,
  steps: readonly StepReport[],
): number | null {
  if (metric === 'pods.unavailable.most') return Math.max(0, ...steps.map(({ unavailable }) => unavailable.most));
  if (metric === 'pods.notReady.most') return Math.max(0, ...steps.map(({ notReady }) => notReady.most));
  return figure(summary, metric);
}

/** A fault that was never reached proves nothing. */
const neverReached = ({ image, fault }: { image: string; fault: string }): Verdict => ({
  what: `image ${image}`,
  expected: `fault ${fault}`,
  actual: 'never reached',
  met: false,
});
