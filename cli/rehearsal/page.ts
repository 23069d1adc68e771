import { createHash } from 'node:crypto';
import type { Latency } from './load-types.ts';
import { count, duration, escape } from './markup.ts';
import type { Report } from './report.ts';
import { style } from './style.ts';

/** What a page is made of. Texts are plain, `body` is HTML. */
export interface Page {
  /** What was rehearsed. */
  name: string;
  outcome: Report['outcome'];
  /** In small print under the heading. */
  facts: readonly string[];
  body: string;
  report: { scenario: string; startedAt: string; durationMs: number };
}

/** One page that needs nothing else: no script, no font, no network; `report.json` is inside. */
export function pageOf({ name, outcome, facts, body, report }: Page): string {
  const title = escape(name);
  const policy = `default-src 'none'; img-src data:; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Rehearsal of ${title}: ${verdicts[outcome]}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Rehearsal of ${title}</h1>
<p class="muted">${escape(report.scenario)}, <time datetime="${escape(report.startedAt)}">${escape(report.startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))}</time>, ${[duration(report.durationMs), ...facts.map(escape)].join(', ')}</p>
${body}
</main>
<script type="application/json" id="report">${JSON.stringify(report).replaceAll('<', '\\u003c')}</script>
</body>
</html>
`;
}

const verdicts = {
  'as-expected': 'as expected',
  'not-as-expected': 'NOT as expected',
  interrupted: 'interrupted',
} as const;

const windowNames = { before: 'before upgrades', during: 'during upgrades', after: 'between and after' } as const;

export function verdict({ outcome, expectations }: Pick<Report, 'outcome' | 'expectations'>): string {
  const unmet = expectations.filter(({ met }) => !met);
  const head = {
    'as-expected': `As expected: ${count(expectations.length)} of ${count(expectations.length)} expectations were met.`,
    'not-as-expected': `Not as expected: ${count(unmet.length)} of ${count(expectations.length)} expectations were not met.`,
    interrupted: 'Interrupted: what was expected is not judged.',
  }[outcome];
  const rows = (listed: Report['expectations']) =>
    table(
      ['What', 'Expected', 'Actual', 'Met'],
      listed.map(({ what, expected, actual, met }) => [what, expected, actual, met ? 'yes' : 'NO'].map(escape)),
    );
  const all =
    expectations.length === 0 ? '' : `<details><summary>All expectations</summary>${rows(expectations)}</details>`;
  return `<p class="verdict ${outcome}">${head}</p>${unmet.length === 0 ? '' : rows(unmet)}${all}`;
}

export function figures({
  load,
  requests,
  connections,
  latency,
}: Pick<Report, 'load' | 'requests' | 'connections' | 'latency'>): string {
  if (!requests || !connections || !latency) {
    return `<p>${load.kind === 'none' ? 'Your own load: no figures of clients here.' : 'The load had not begun.'}</p>`;
  }
  const reasons = Object.entries(requests.failures).map(([reason, failures]) => `${reason} ${count(failures)}`);
  const back = connections.movedBack === 0 ? '' : `, moved back ${count(connections.movedBack)}`;
  const cards: [string, number, string][] = [
    ['Requests failed', requests.failed, [`of ${count(requests.total)}`, ...reasons].join(', ')],
    ['Connections refused', connections.refused, ''],
    ['Connections closed', connections.closed, `of ${count(connections.opened)} opened`],
    ['Connections moved', connections.moved, `to a newer version${back}`],
  ];
  const windows = (['before', 'during', 'after'] as const).map((window) => [
    windowNames[window],
    ...latencyCells(latency[window]),
  ]);
  return (
    `<dl class="figures">${cards.map(([what, value, note]) => `<div><dt>${what}</dt><dd><b>${count(value)}</b> <span>${escape(note)}</span></dd></div>`).join('')}</dl>` +
    table(['Latency', 'p50, ms', 'p99, ms'], windows, 1)
  );
}

export function swatch(name: string, text: string): string {
  const isLine = name === 'p50' || name === 'p99';
  const mark = isLine
    ? `<path class="${name}" d="M0 6H14"/>`
    : `<rect class="${escape(name)}" width="14" height="12"/>`;
  return `<li><svg width="14" height="12" aria-hidden="true">${mark}</svg> ${escape(text)}</li>`;
}

export function loadList({ load }: Pick<Report, 'load'>): string {
  const fields = Object.entries(load).filter(([, value]) => value !== undefined);
  const items = fields.map(([name, value]: [string, unknown]) => {
    const text =
      name === 'timeout'
        ? duration(Number(value))
        : typeof value === 'number'
          ? count(value)
          : typeof value === 'string'
            ? value
            : JSON.stringify(value);
    const cut = text.length > 300 ? `${text.slice(0, 300)} ... (${count(text.length)} characters)` : text;
    return `<dt>${escape(name)}</dt><dd>${escape(cut)}</dd>`;
  });
  return `<dl class="load">${items.join('')}</dl>`;
}

export function latencyCells({ p50, p99 }: Latency): [string, string] {
  return [figure(p50, 2), figure(p99, 2)];
}

export function figure(value: number | null | undefined, digits = 0): string {
  return value === null || value === undefined ? '-' : count(value, digits);
}

/** `rows` are HTML. Columns from `numbers` on hold figures; the roles keep it a table where a phone shows cards. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  numbers = heads.length,
  name = '',
): string {
  const kind = (column: number) => (column >= numbers ? ' class="number"' : '');
  const head = heads.map((text, column) => `<th scope="col" role="columnheader"${kind(column)}>${text}</th>`);
  const cells = (row: readonly string[]) =>
    row.map((html, column) => {
      const role = column === 0 ? 'th scope="row" role="rowheader"' : 'td role="cell"';
      return `<${role} data-label="${heads[column] ?? ''}"${kind(column)}>${html}</${column === 0 ? 'th' : 'td'}>`;
    });
  const body = rows.map((row) => `<tr role="row">${cells(row).join('')}</tr>`);
  return `<table role="table" class="${name}"><thead role="rowgroup"><tr role="row">${head.join('')}</tr></thead><tbody role="rowgroup">${body.join('')}</tbody></table>`;
}
