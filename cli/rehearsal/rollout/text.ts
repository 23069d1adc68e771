import type { Verdict } from '../expectation.ts';
import { figures, verdictLine } from '../text.ts';
import { drawTimeline } from '../timeline.ts';
import type { PodReport, RolloutReport, StepReport } from './report.ts';

const mostColumns = 60;

/** The report for a terminal. `tails` are the last lines of logs, shown when something is not as expected. */
export function formatRollout(
  report: RolloutReport,
  reportDirectory: string | undefined,
  tails: Readonly<Record<string, string[]>>,
): string {
  const lines = [...figures(report), '', ...report.steps.flatMap(stepLines), '', 'pods'];
  lines.push(...report.pods.map(podLine), ...load(report), '', ...verdicts(report.expectations));
  if (report.outcome === 'interrupted') lines.push('interrupted: what was expected is not judged');
  if (report.outcome === 'not-as-expected' && reportDirectory === undefined) {
    for (const [name, tail] of Object.entries(tails)) {
      if (tail.length > 0) lines.push('', `the last lines of ${name}:`, ...tail.map((line) => `  ${line}`));
    }
  }
  if (reportDirectory !== undefined) {
    lines.push(`report        ${reportDirectory}/report.json`, `page          ${reportDirectory}/report.html`);
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function stepLines({ name, result, durationMs, pods, unavailable, notReady }: StepReport, index: number): string[] {
  const { matched, ...others } = pods;
  const counts = Object.entries(others).filter(([kind, count]) => count > 0 || kind === 'updated');
  const most = [
    `unavailable at most ${unavailable.most}${unavailable.allowed === null ? '' : ` of ${unavailable.allowed} allowed`}`,
    `not ready at most ${notReady.most}`,
  ];
  return [
    `step ${index + 1}`.padEnd(14) + `${result} in ${(durationMs / 1000).toFixed(1)} s   ${name}`,
    ''.padEnd(14) + `of ${matched} pods: ${counts.map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
    ''.padEnd(14) + most.join(', '),
  ];
}

function podLine({ name, address, moments, sidecarSets }: PodReport): string {
  const now = moments.at(-1);
  const sets = sidecarSets.map((set) => `${set.verdict}: ${set.reason}`).join('; ');
  return `  ${name.padEnd(12)}${address.padEnd(16)}${(now?.images ?? '').padEnd(20)} ${sets}`;
}

function load({ timeline }: RolloutReport): string[] {
  const rows = drawTimeline(timeline, Math.min(mostColumns, timeline.buckets.length));
  const seconds = ((timeline.buckets.at(-1)?.t ?? 0) + timeline.bucketMs) / 1000;
  if (rows.length === 0) return [];
  return [
    '',
    `requests over ${seconds.toFixed(1)} s`,
    ...rows.map(({ label, bars }) => `  ${label.padEnd(12)}${bars}`),
  ];
}

/** Those that are not met one by one; of the steps only how many are, when all of a step's are. */
function verdicts(expectations: readonly Verdict[]): string[] {
  const isMetStep = ({ what, met }: Verdict): boolean => met && what.startsWith('step ');
  const lines = expectations
    .filter((verdict) => !isMetStep(verdict))
    .map(({ what, expected, actual, met }) => verdictLine(met, what, `expected ${expected}, was ${actual}`));
  const met = expectations.filter(isMetStep).length;
  return met > 0 ? [...lines, verdictLine(true, 'steps', `${met} expectations were met`)] : lines;
}
