import type { Phase } from './phase.ts';
import { phases } from './phase.ts';
import type { PodReport, SetReport } from './report.ts';

/** What there is to draw on; without a bound nothing is left out. */
export interface Space {
  columns?: number;
  rows?: number;
}

const BAR = 30;

/** One set in full, for people: lines of at most `columns` characters, at most `rows` of them. */
export function drawSet(report: SetReport, { columns, rows = Infinity }: Space = {}): string[] {
  const { name, state, generation, revision, troubles, underWay, conditions, next } = report;
  const head = [
    `SidecarSet ${name}   ${state}   generation ${generation}${revision && `   revision ${revision}`}`,
    `${barOf(report)} ${progressOf(report)}`,
    '',
  ];
  const counts = tableOf(phases.flatMap((phase) => rowOf(report, phase))).map((line) => `  ${line}`);
  const said = tableOf(conditions.map(({ type, status, reason, message }) => [type, status, reason, message]));
  const foot = [
    ...(said.length > 0 ? ['', ...said] : []),
    ...(next.length > 0 ? ['', ...next.flatMap((line) => wrapped(`Next: ${line}`, columns))] : []),
  ];
  const room = Math.max(1, rows - head.length - counts.length - foot.length - 1);
  const pods = podLines([...troubles, ...underWay], room).map((line) => `  ${line}`);
  const lines = [...head, ...counts, ...(pods.length > 0 ? ['', ...pods] : []), ...foot];
  return fitted(lines, { rows, ...(columns !== undefined && { columns }) });
}

/** All sets, a row each. */
export function drawSets(reports: readonly SetReport[], space: Space = {}): string[] {
  if (reports.length === 0) return ['there are no SidecarSets'];
  const head = ['SIDECARSET', 'STATE', 'MATCHED', 'UPDATED', 'READY', 'UNDER WAY', 'WAITING', 'IN TROUBLE', 'LEFT'];
  const rows = reports.map(({ name, state, pods, phases: counts, underWay, troubles, etaSeconds }) => [
    name,
    state,
    ...[pods.matched, pods.updated, pods.ready, underWay.length, counts.waiting ?? 0, troubles.length].map(String),
    etaSeconds === undefined ? '' : durationOf(etaSeconds),
  ]);
  return fitted(tableOf([head, ...rows]), space);
}

/** One set in one line, for a log. */
export function drawLine(report: SetReport): string {
  const { name, state, underWay, phases: counts, troubles } = report;
  const figures: [number, string][] = [
    [underWay.length, 'under way'],
    [counts.waiting ?? 0, 'waiting'],
    [troubles.length, 'in trouble'],
  ];
  const parts = figures.flatMap(([count, what]) => (count > 0 ? [`, ${count} ${what}`] : []));
  return `${name}: ${state}: ${progressOf(report)}${parts.join('')}`;
}

function barOf({ pods: { matched, updatedReady } }: SetReport): string {
  const done = matched === 0 ? BAR : Math.floor((updatedReady / matched) * BAR);
  return `[${'='.repeat(done)}${done < BAR ? '>' : ''}${' '.repeat(Math.max(0, BAR - done - 1))}]`;
}

function progressOf({ pods: { matched, updated, updatedReady }, etaSeconds }: SetReport): string {
  const left = etaSeconds === undefined ? '' : `, about ${durationOf(etaSeconds)} left`;
  return `${updated} of ${matched} updated, ${updatedReady} of them ready${left}`;
}

function rowOf({ phases: counts, waiting }: SetReport, phase: Phase): string[][] {
  const count = counts[phase];
  if (count === undefined) return [];
  if (phase !== 'waiting') return [[phase, String(count)]];
  const [first, ...others] = waiting;
  const more = others.length > 0 ? `; ${others.reduce((sum, { count: one }) => sum + one, 0)} for other reasons` : '';
  return [[phase, String(count), `${first?.reason ?? ''}${more}`]];
}

/** At most `room` lines; the last one counts those that have no room. */
function podLines(pods: readonly PodReport[], room: number): string[] {
  const shown = pods.length <= room ? pods : pods.slice(0, Math.max(0, room - 1));
  const lines = tableOf(
    shown.map(({ namespace, name, phase, node, reason }) => [`${namespace}/${name}`, phase, node, reason]),
  );
  return shown.length < pods.length ? [...lines, `and ${pods.length - shown.length} more`] : lines;
}

/** Seconds as people say them: `40 s`, `3 min`, `2 h 5 min`. */
export function durationOf(seconds: number): string {
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Rows in columns, which are as wide as they need. */
function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

/** A text in as many lines as it needs, so that a command in it can be copied. */
function wrapped(text: string, columns = Infinity): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** Control characters, which a pod's message may hold, would draw somewhere else. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

/** Lines cut to their space. */
export function fitted(lines: readonly string[], { columns = Infinity, rows = Infinity }: Space): string[] {
  return lines.slice(0, rows).map((line) => {
    const plain = line.replace(CONTROL, ' ');
    return plain.length <= columns ? plain : `${plain.slice(0, Math.max(0, columns - 1))}…`;
  });
}
