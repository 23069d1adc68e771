import type { Bucket } from './load-types.ts';
import { count, duration, escape, evenTicks, logTicks, placeLabels, short, timeTicks } from './markup.ts';
import type { Report } from './report.ts';
import type { Timeline } from './timeline.ts';
import { addBucket } from './timeline.ts';

/** Widths at which the chart is drawn, in units of about a pixel; `columns` is the most that it shows. */
export const sizes = [
  { name: 'narrow', width: 340, columns: 120, throughput: 150, latency: 110, timeMarks: 5 },
  { name: 'medium', width: 640, columns: 200, throughput: 190, latency: 130, timeMarks: 7 },
  { name: 'wide', width: 1100, columns: 300, throughput: 240, latency: 150, timeMarks: 12 },
] as const;

export const fontSize = 13;
/** Colours of versions; neighbours differ, and the labels say which is which. */
export const versionColours = 3;
const lineHeight = 16;
const left = 60;
const right = 32;

/** What a chart shows: a load over time, and stretches of it in which something was done. */
export interface Charted extends Pick<Report, 'timeline' | 'timelineStartMs' | 'durationMs'> {
  /** What one stretch is called: upgrade. */
  word: string;
  bands: readonly Band[];
}

/** One stretch. Times in milliseconds since the rehearsal began. */
export interface Band {
  /** What was done, after the word and its number. */
  what: string;
  result: string;
  /** It ended as such things usually do. */
  isUsual: boolean;
  startMs: number;
  durationMs: number;
  phases: readonly { phase: string; ms: number }[];
}

/** A slice of the timeline as it is drawn. Times in milliseconds since the rehearsal began. */
interface Column extends Bucket {
  from: number;
  to: number;
  /** By version, in the order of {@link versionsOf}; what no version signed is under the empty string. */
  parts: { version: string; requests: number }[];
}

/** The versions that answered, in the order of their first answers; the empty string for answers without a version. */
export function versionsOf({ buckets }: Timeline): string[] {
  return [...new Set(buckets.flatMap((bucket) => partsOf(bucket).map(({ version }) => version)))];
}

function partsOf(bucket: Bucket): { version: string; requests: number }[] {
  const parts = Object.entries(bucket.byVersion).map(([version, requests]) => ({ version, requests }));
  const unsigned = bucket.requests - bucket.failed - parts.reduce((sum, { requests }) => sum + requests, 0);
  return unsigned > 0 ? [...parts, { version: '', requests: unsigned }] : parts;
}

/** The timeline in at most `most` columns. Slices join as in the report: counts add up, the larger percentile stays. */
function columnsOf({ timeline, timelineStartMs }: Charted, most: number): Column[] {
  const joined: Timeline = { bucketMs: timeline.bucketMs, buckets: [] };
  for (const bucket of timeline.buckets) addBucket(joined, bucket, most);
  const begin = timelineStartMs ?? 0;
  const order = versionsOf(timeline);
  const end = begin + (timeline.buckets.at(-1)?.t ?? 0) + timeline.bucketMs;
  return joined.buckets.map((bucket, index) => {
    const next = joined.buckets[index + 1];
    const parts = partsOf(bucket).toSorted((a, b) => order.indexOf(a.version) - order.indexOf(b.version));
    return { ...bucket, from: begin + bucket.t, to: next ? begin + next.t : end, parts };
  });
}

/**
 * The timeline as one SVG: requests per second stacked by version, latency below on the same axis of time, a band per
 * upgrade with its phases. Each mark carries its figures (`data-*`) and a tooltip.
 */
export function drawChart(report: Report, size: (typeof sizes)[number]): string {
  const bands = report.upgrades.map((upgrade) => ({
    ...upgrade,
    what: `${upgrade.previousVersion} to ${upgrade.version}`,
    isUsual: upgrade.result === 'done',
  }));
  return drawLoad({ ...report, word: 'upgrade', bands }, size);
}

/** A load over time as one SVG, with a band for each stretch. */
export function drawLoad(report: Charted, size: (typeof sizes)[number]): string {
  const columns = columnsOf(report, size.columns);
  const edge = size.width - right;
  const span = spanOf(report);
  const x = scaleOf(span, size);
  const marks = bandLabels(report, x, edge);
  const stripTop = lineHeight * (1 + marks.rows) + 2;
  const plotTop = stripTop + 14;
  const foot = columns.length > 0 ? drawPanels(columns, report, size, x, plotTop) : { svg: '', bottom: plotTop + 4 };
  const axis = timeTicks(span.from, span.to, size.timeMarks).map(({ ms, text }) => {
    const at = x(ms);
    const line = `<path class="grid" d="M${n(at)} ${plotTop}V${n(foot.bottom + 4)}"/>`;
    const fits = at + (text.length * fontSize * 0.62) / 2 <= size.width;
    return line + (fits ? label(at, foot.bottom + 18, text, 'middle') : '');
  });
  const height = foot.bottom + 24;
  const hasVersions = versionsOf(report.timeline).some((version) => version !== '');
  const id = `chart-${size.name}`;
  return (
    `<svg class="chart ${size.name}" viewBox="0 0 ${size.width} ${n(height)}" role="img" aria-labelledby="${id}-title ${id}-desc">` +
    `<title id="${id}-title">Timeline of the rehearsal</title><desc id="${id}-desc">${escape(describe(report, columns))}</desc>` +
    label(
      0,
      12,
      columns.length > 0 ? `requests per second${hasVersions ? ', by version' : ''}` : `when each ${report.word} ran`,
    ) +
    axis.join('') +
    report.bands.map((band, index) => drawBand(report.word, band, index, x, stripTop, foot.bottom)).join('') +
    marks.svg +
    foot.svg +
    '</svg>'
  );
}

/** The stretch of time that is shown: that of the load, if there is one. */
export function spanOf({ timeline, timelineStartMs, durationMs, bands }: Charted): { from: number; to: number } {
  const ends = bands.map((band) => band.startMs + band.durationMs);
  const last = timeline.buckets.at(-1);
  if (!last) return { from: 0, to: Math.max(durationMs, ...ends) };
  const from = timelineStartMs ?? 0;
  return { from: from + (timeline.buckets[0]?.t ?? 0), to: Math.max(from + last.t + timeline.bucketMs, ...ends) };
}

/** Where a moment is from left to right. */
export function scaleOf(span: { from: number; to: number }, size: (typeof sizes)[number]): (ms: number) => number {
  const width = size.width - right - left;
  return (ms) => left + ((ms - span.from) / Math.max(1, span.to - span.from)) * width;
}

function drawPanels(
  columns: Column[],
  report: Charted,
  size: (typeof sizes)[number],
  x: (ms: number) => number,
  top: number,
) {
  const rate = ({ requests, from, to }: Column) => (requests * 1000) / Math.max(1, to - from);
  const rates = evenTicks(Math.max(1, ...columns.map(rate)), 4);
  const ceiling = rates.at(-1) ?? 1;
  const base = top + size.throughput;
  const y = (value: number) => base - (value / ceiling) * size.throughput;
  const order = versionsOf(report.timeline);
  const hasFailures = columns.some(({ failed }) => failed > 0);
  const failedRow = base + 4 + (hasFailures ? lineHeight : 0);
  const names = versionLabels(columns, x, size.width - right);
  const latencyTop = failedRow + names.rows * lineHeight + 40;
  const bottom = latencyTop + size.latency;
  const bars = columns.map((column) => {
    const scale = rate(column) / Math.max(1, column.requests);
    const [at, width] = [x(column.from), x(column.to) - x(column.from)];
    let sum = 0;
    const bar = (requests: number, attributes: string) => {
      const low = y(sum * scale);
      sum += requests;
      return `<rect x="${n(at)}" y="${n(y(sum * scale))}" width="${n(width + 0.7)}" height="${n(low - y(sum * scale))}" data-requests="${requests}" ${attributes}/>`;
    };
    const stack = column.parts.map(({ version, requests }) =>
      bar(requests, `class="${colourOf(order.indexOf(version))}" data-version="${escape(version)}"`),
    );
    if (column.failed > 0) {
      const [middle, cross] = [at + width / 2, base + lineHeight / 2 + 5];
      stack.push(bar(column.failed, 'class="failed" data-failed=""'));
      stack.push(`<path class="cross" d="M${n(middle - 3)} ${n(cross - 3)}l6 6m0 -6l-6 6"/>`);
    }
    const hit = `<rect class="hit" x="${n(at)}" y="${top}" width="${n(width)}" height="${n(bottom - top)}"/>`;
    return `<g data-from="${n(column.from)}" data-to="${n(column.to)}"><title>${escape(tooltip(column, rate(column)))}</title>${stack.join('')}${hit}</g>`;
  });
  const grid = rates.map((value) => gridLine(y(value), short(value), size.width - right));
  const failedLabel = hasFailures ? label(left - 6, base + 18, 'failed', 'end') : '';
  const nameLabels = names.placed.map((name) =>
    name ? label(name.x, failedRow + 14 + name.row * lineHeight, name.text, 'middle') : '',
  );
  const nameHead = names.rows > 0 ? label(left - 6, failedRow + 14, 'version', 'end') : '';
  const latency = drawLatency(columns, x, latencyTop, size);
  return { svg: grid.join('') + latency + bars.join('') + failedLabel + nameHead + nameLabels.join(''), bottom };
}

function drawLatency(columns: Column[], x: (ms: number) => number, top: number, size: (typeof sizes)[number]): string {
  const values = columns.flatMap(({ p50, p99 }) => [p50, p99]).filter((value) => value !== null);
  const head = (scale: string) => label(0, top - 10, `latency in ms, ${scale}`);
  if (values.length === 0) return head('nothing was answered');
  const [low, high] = [Math.max(0.01, Math.min(...values)), Math.max(0.01, ...values)];
  const isLog = high / low > 30;
  const ticks = isLog ? logTicks(low, high) : evenTicks(high, 4);
  const [first = 0, last = 1] = [ticks[0], ticks.at(-1)];
  const share = (value: number) =>
    isLog ? Math.log(Math.max(value, first) / first) / Math.log(last / first || 2) : value / last;
  const y = (value: number) => top + size.latency - share(value) * size.latency;
  const line = (name: 'p50' | 'p99') => {
    let pen = 'M';
    const steps = columns.map((column) => {
      const value = column[name];
      const from = pen;
      pen = value === null ? 'M' : 'L';
      return value === null ? '' : `${from}${n(x(column.from))} ${n(y(value))}H${n(x(column.to))}`;
    });
    return `<path class="${name}" data-points="${columns.map((column) => column[name] ?? '').join(' ')}" d="${steps.join('')}"/>`;
  };
  const end = (name: 'p50' | 'p99') => y(columns.findLast((column) => column[name] !== null)?.[name] ?? first);
  const p99At = Math.min(end('p99'), top + size.latency - lineHeight);
  const p50At = Math.max(end('p50'), p99At + lineHeight - 2);
  const edge = size.width - right;
  return (
    head(isLog ? 'logarithmic' : 'from 0') +
    ticks.map((value) => gridLine(y(value), short(value), edge)).join('') +
    line('p50') +
    line('p99') +
    label(edge + 4, p99At + 4, 'p99') +
    label(edge + 4, p50At + 4, 'p50')
  );
}

function drawBand(
  word: string,
  band: Band,
  index: number,
  x: (ms: number) => number,
  top: number,
  bottom: number,
): string {
  const { startMs, durationMs, phases } = band;
  const width = Math.max(2, x(startMs + durationMs) - x(startMs));
  const total = Math.max(
    1,
    phases.reduce((sum, { ms }) => sum + ms, 0),
  );
  let at = x(startMs);
  const strip = phases.map(({ phase, ms }) => {
    const part = (ms / total) * width;
    at += part;
    return `<rect class="phase-${escape(phase)}" x="${n(at - part)}" y="${top}" width="${n(part)}" height="10" data-phase="${escape(phase)}" data-ms="${ms}"/>`;
  });
  const list = phases.map(({ phase, ms }) => `${phase} ${duration(ms)}`).join(', ') || duration(durationMs);
  const title = `${word} ${index + 1}, ${band.what}: ${band.result} (${list})`;
  return (
    `<g data-${word}="${index + 1}" data-from="${startMs}" data-to="${startMs + durationMs}"><title>${escape(title)}</title>` +
    `<rect class="band" x="${n(x(startMs))}" y="${top}" width="${n(width)}" height="${n(bottom - top)}"/>${strip.join('')}</g>`
  );
}

/** Whole words where all fit into one row, else numbers in up to three rows; the table has what does not fit. */
function bandLabels({ word, bands }: Charted, x: (ms: number) => number, edge: number) {
  const middles = bands.map((band) => x(band.startMs + band.durationMs / 2));
  const place = (rows: number, text: (band: Band, number: number) => string) =>
    placeLabels(
      bands.map((band, index) => ({ x: middles[index] ?? 0, text: text(band, index + 1) })),
      { from: left, to: edge + right, rows, fontSize },
    );
  const long = place(1, ({ isUsual, result }, number) => (isUsual ? `${word} ${number}` : `${number} ${result}`));
  const isLong = long.placed.every(Boolean);
  const { placed, rows } = isLong ? long : place(3, ({ isUsual }, number) => `${number}${isUsual ? '' : '!'}`);
  const svg = placed.map((mark) =>
    mark ? label(mark.x, lineHeight * (1 + rows - mark.row) - 2, mark.text, 'middle') : '',
  );
  const head = isLong || rows === 0 ? '' : label(left - 6, lineHeight * (1 + rows) - 2, word, 'end');
  return { svg: head + svg.join(''), rows };
}

/** Each version's name under the middle of the longest stretch in which it gave the most answers. */
function versionLabels(columns: readonly Column[], x: (ms: number) => number, edge: number) {
  const longest = new Map<string, { from: number; to: number }>();
  let stretch = { version: '', from: 0, to: 0 };
  for (const { parts, from, to } of columns) {
    const [most] = parts.toSorted((a, b) => b.requests - a.requests);
    if (!most || most.version === '') continue;
    stretch = most.version === stretch.version ? { ...stretch, to } : { version: most.version, from, to };
    const before = longest.get(most.version);
    if (!before || to - stretch.from > before.to - before.from) longest.set(most.version, stretch);
  }
  const labels = [...longest].map(([text, { from, to }]) => ({ x: x((from + to) / 2), text }));
  return placeLabels(
    labels.toSorted((a, b) => a.x - b.x),
    { from: left, to: edge + right, rows: 3, fontSize },
  );
}

export function colourOf(index: number): string {
  return `v${index % versionColours}`;
}

function tooltip({ from, to, requests, failed, parts, p50, p99 }: Column, rate: number): string {
  const by = parts
    .filter(({ version }) => version !== '')
    .map((part) => `version ${part.version}: ${count(part.requests)}`);
  const ms = (value: number | null) => (value === null ? 'none' : duration(value));
  return [
    `${count(from / 1000, 1)} s to ${count(to / 1000, 1)} s: ${count(rate)} requests/s`,
    [`${count(requests)} requests`, `${count(failed)} failed`, ...by].join(', '),
    `p50 ${ms(p50)}, p99 ${ms(p99)}`,
  ].join('\n');
}

function describe({ word, bands, timeline }: Charted, columns: readonly Column[]): string {
  const total = timeline.buckets.reduce((sum, { requests }) => sum + requests, 0);
  const failed = timeline.buckets.reduce((sum, bucket) => sum + bucket.failed, 0);
  const [first, last] = [columns[0], columns.at(-1)];
  const load =
    first && last
      ? `${count(total)} requests from ${duration(first.from)} to ${duration(last.to)}, ${count(failed)} failed. `
      : '';
  const each = bands.map(
    ({ startMs, durationMs, result }, index) =>
      `${word[0]?.toUpperCase() ?? ''}${word.slice(1)} ${index + 1} at ${duration(startMs)}, ${duration(durationMs)}, ${result}.`,
  );
  return load + each.join(' ');
}

function gridLine(y: number, text: string, edge: number): string {
  return `<path class="grid" d="M${left} ${n(y)}H${edge}"/>${label(left - 6, y + 4, text, 'end')}`;
}

/** Text at a place. */
export function label(x: number, y: number, text: string, anchor = 'start'): string {
  return `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${escape(text)}</text>`;
}

/** A coordinate. */
export function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
