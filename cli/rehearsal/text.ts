import type { Verdict } from './expectation.ts';
import type { Latency } from './load-types.ts';
import type { Report, UpgradeReport } from './report.ts';
import { drawTimeline } from './timeline.ts';

const mostColumns = 60;

/** The report for a terminal. `tails` are the last lines of each container's log, shown when something is not as expected. */
export function formatReport(
  report: Report,
  reportDirectory: string | undefined,
  tails: Readonly<Record<string, string[]>>,
): string {
  const lines = [...figures(report), ''];
  report.upgrades.forEach((upgrade, index) => lines.push(...upgradeLines(upgrade, index)));
  const columns = Math.min(mostColumns, report.timeline.buckets.length);
  const rows = drawTimeline(report.timeline, columns);
  if (rows.length > 0) {
    const last = report.timeline.buckets.at(-1);
    const seconds = ((last?.t ?? 0) + report.timeline.bucketMs) / 1000;
    lines.push('', `requests over ${seconds.toFixed(1)} s`);
    for (const { label, bars } of rows) lines.push(`  ${label.padEnd(12)}${bars}`);
    lines.push(`  ${''.padEnd(12)}${marks(report, seconds * 1000, columns)}`);
  }
  lines.push('', ...verdicts(report, reportDirectory, tails));
  if (reportDirectory !== undefined) {
    lines.push(`report        ${reportDirectory}/report.json`, `page          ${reportDirectory}/report.html`);
  }
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** What the clients saw. */
export function figures({
  load,
  requests,
  connections,
  latency,
}: Pick<Report, 'load' | 'requests' | 'connections' | 'latency'>): string[] {
  if (!requests || !connections || !latency) {
    return [load.kind === 'none' ? 'your own load: no figures of clients here' : 'the load had not begun'];
  }
  const reasons = Object.entries(requests.failures).map(([reason, count]) => `${reason} ${count}`);
  const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
  const { opened, refused, closed, moved, movedBack } = connections;
  const back = movedBack === 0 ? '' : `   moved back ${movedBack}`;
  return [
    `requests      total ${requests.total}   failed ${requests.failed}${why}`,
    `connections   opened ${opened}   refused ${refused}   closed ${closed}   moved ${moved}${back}`,
    `latency ms    ${['', 'p50', 'p99'].map((head, index) => head.padEnd(index === 0 ? 8 : 10)).join('')}`,
    ...(['before', 'during', 'after'] as const).map(
      (window) => `  ${window.padEnd(20)}${latencyColumns(latency[window])}`,
    ),
  ];
}

function latencyColumns({ p50, p99 }: Latency): string {
  return [p50, p99].map((ms) => (ms === null ? '-' : ms.toFixed(2)).padEnd(10)).join('');
}

function upgradeLines(upgrade: UpgradeReport, index: number): string[] {
  const phases = upgrade.phases.map(({ phase, ms }) => `${phase} ${ms} ms`).join(', ');
  const fault = upgrade.fault === null ? '' : ` [${upgrade.fault}]`;
  const head = `upgrade ${index + 1}`.padEnd(14) + `${upgrade.previousVersion} -> ${upgrade.version}`.padEnd(12);
  const lines = [`${head}${upgrade.result}${fault}   ${phases}`];
  if (upgrade.message !== null) lines.push(`${''.padEnd(26)}${upgrade.reason ?? ''} ${upgrade.message}`);
  const counters = { ...upgrade.successor?.counters, moved: upgrade.predecessor?.counters.moved ?? 0 };
  const { moved, handoverMs } = counters;
  const cut = upgrade.predecessor?.counters.cut ?? 0;
  const handover = handoverMs === undefined ? '' : `, handover ${handoverMs.toFixed(1)} ms`;
  if (upgrade.result === 'done') lines.push(`${''.padEnd(26)}connections moved ${moved}, cut ${cut}${handover}`);
  return lines;
}

/** A caret under the moment at which each upgrade began. */
function marks(report: Report, span: number, columns: number): string {
  const row = Array.from({ length: columns }, () => ' ');
  const begin = report.timelineStartMs ?? 0;
  for (const { startMs } of report.upgrades) {
    const column = Math.floor(((startMs - begin) / span) * columns);
    if (column >= 0 && column < columns) row[column] = '^';
  }
  return row.join('');
}

function verdicts(
  report: Report,
  reportDirectory: string | undefined,
  tails: Readonly<Record<string, string[]>>,
): string[] {
  if (report.outcome === 'interrupted') return ['interrupted: what was expected is not judged'];
  const isMetUpgrade = ({ what, met }: Verdict) => met && what.startsWith('upgrade ');
  const lines = report.expectations
    .filter((verdict) => !isMetUpgrade(verdict))
    .map(({ what, expected, actual, met }) => verdictLine(met, what, `expected ${expected}, was ${actual}`));
  const met = report.expectations.filter(isMetUpgrade).length;
  if (met > 0) lines.push(verdictLine(true, 'upgrades', `${met} of ${report.upgrades.length} ended as expected`));
  if (report.outcome === 'as-expected') return lines;
  if (reportDirectory !== undefined) {
    return [
      ...lines,
      '',
      `look in      ${Object.keys(tails)
        .map((name) => `${reportDirectory}/${name}.log`)
        .join(', ')}`,
    ];
  }
  for (const [name, tail] of Object.entries(tails)) {
    lines.push('', `the last lines of ${name} (--report DIR keeps the whole logs):`);
    lines.push(...(tail.length === 0 ? ['  (nothing)'] : tail.map((line) => `  ${line}`)));
  }
  return lines;
}

export function verdictLine(met: boolean, what: string, text: string): string {
  return `${met ? 'as expected' : 'NOT MET    '}   ${what.padEnd(22)}${text}`;
}
