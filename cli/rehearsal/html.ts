import { createHash } from 'node:crypto';
import { colourOf, drawChart, fontSize, sizes, versionColours, versionsOf } from './chart.ts';
import type { Latency } from './load-types.ts';
import { count, duration, escape } from './markup.ts';
import type { Report, UpgradeReport } from './report.ts';

/** The report as one page that needs nothing else: no script, no font, no network; `report.json` is inside. */
export function formatPage(report: Report): string {
  const name = escape(report.sidecar.name);
  const policy = `default-src 'none'; img-src data:; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Rehearsal of ${name}: ${verdicts[report.outcome]}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Rehearsal of ${name}</h1>
<p class="muted">${escape(report.scenario)}, <time datetime="${escape(report.startedAt)}">${escape(report.startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))}</time>, ${duration(report.durationMs)}, ${escape(report.sidecar.host)} port ${report.sidecar.port}</p>
${verdict(report)}
${figures(report)}
<h2>Timeline</h2>
<p class="muted">Seconds and minutes are since the rehearsal began.</p>
${legend(report)}
${sizes.map((size) => drawChart(report, size)).join('\n')}
<h2>Upgrades</h2>
${report.upgrades.length === 0 ? '<p>None was begun.</p>' : upgradeTable(report.upgrades)}
<h2>Load</h2>
${loadList(report)}
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

function verdict({ outcome, expectations }: Report): string {
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

function figures({ load, requests, connections, latency }: Report): string {
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

function legend({ timeline, upgrades }: Report): string {
  const versions = versionsOf(timeline);
  const items = Array.from({ length: versionColours }, (_, colour) => {
    const its = versions.filter((_version, index) => index % versionColours === colour);
    const named = its.filter((version) => version !== '');
    const text = [
      ...(named.length > 0 ? [`version ${named.join(', ')}`] : []),
      ...(its.includes('') ? ['answers'] : []),
    ];
    return its.length === 0 ? '' : swatch(colourOf(colour), text.join(', '));
  });
  if (timeline.buckets.some(({ failed }) => failed > 0)) items.push(swatch('failed', 'failed (and a cross below)'));
  const phases = new Set(upgrades.flatMap((upgrade) => upgrade.phases.map(({ phase }) => phase)));
  items.push(...[...phases].map((phase) => swatch(`phase-${phase}`, phase)));
  if (timeline.buckets.length > 0) items.push(swatch('p99', 'p99'), swatch('p50', 'p50'));
  if (upgrades.some(({ result }) => result !== 'done'))
    items.push('<li><b>!</b> an upgrade that did not end as done</li>');
  return `<ul class="legend">${items.join('')}</ul>`;
}

function swatch(name: string, text: string): string {
  const isLine = name === 'p50' || name === 'p99';
  const mark = isLine
    ? `<path class="${name}" d="M0 6H14"/>`
    : `<rect class="${escape(name)}" width="14" height="12"/>`;
  return `<li><svg width="14" height="12" aria-hidden="true">${mark}</svg> ${escape(text)}</li>`;
}

function upgradeTable(upgrades: readonly UpgradeReport[]): string {
  const heads = [
    'Upgrade',
    'Versions',
    'Result',
    'Fault',
    'Phases',
    'Moved',
    'Finished',
    'Cut',
    'Handover, ms',
    'p50, ms',
    'p99, ms',
  ];
  const rows = upgrades.map((upgrade, index) => {
    const { predecessor, successor, fault, faultHappened, reason, message, phases } = upgrade;
    const why = reason === null && message === null ? '' : [reason, message].filter((text) => text !== null).join(': ');
    const errors = [predecessor, successor].flatMap((side) =>
      side?.error ? [`${side.error.code}: ${side.error.message}`] : [],
    );
    const notes = [why, ...errors].filter((text) => text !== '').map((text) => `<small>${escape(text)}</small>`);
    const { moved, finished, cut } = predecessor?.counters ?? {};
    return [
      String(index + 1),
      escape(`${upgrade.previousVersion} → ${upgrade.version}`),
      `<b>${escape(upgrade.result)}</b>${notes.join('')}`,
      fault === null ? 'none' : escape(fault) + (faultHappened === true ? '' : ' (never reached)'),
      phases.map(({ phase, ms }) => `<span>${escape(phase)} ${duration(ms)}</span>`).join(', '),
      ...[moved, finished, cut].map((value) => figure(value)),
      figure(successor?.counters.handoverMs, 1),
      ...latencyCells(upgrade.latency ?? { p50: null, p99: null }),
    ];
  });
  return table(heads, rows, 5, 'upgrades');
}

function loadList({ load }: Report): string {
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

function latencyCells({ p50, p99 }: Latency): [string, string] {
  return [figure(p50, 2), figure(p99, 2)];
}

function figure(value: number | null | undefined, digits = 0): string {
  return value === null || value === undefined ? '-' : count(value, digits);
}

/** `rows` are HTML. Columns from `numbers` on hold figures; the roles keep it a table where a phone shows cards. */
function table(
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

// Versions differ in lightness as well as in hue, so that they differ for every eye and in grey.
const style = `
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--muted:#57606a;--line:#d5dae0;--card:#f4f6f8;
--v0:#004e92;--v1:#c58200;--v2:#2a9d8f;--bad:#b00020;--good:#0a6b3d;--band:#8a94a0;
--p50:#2478c7;--upgrading:#7a828c;--soaking:#aeb6bf;--resetting:#1b1f24}
@media(prefers-color-scheme:dark){:root{--page:#14171a;--text:#e6e9ec;--muted:#a3adb8;--line:#333a42;--card:#1e2328;
--v0:#3f7fd9;--v1:#f5be4b;--v2:#5fd3c0;--bad:#ff7b72;--good:#5fd38d;--band:#6c7681;
--p50:#6cb0f5;--upgrading:#8b949e;--soaking:#59626c;--resetting:#e6e9ec}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .4em}
p{margin:.4em 0}.muted{color:var(--muted);font-size:.9rem}
.verdict{font-size:1.1rem;font-weight:600;padding:.5em .7em;border-left:6px solid var(--muted);background:var(--card)}
.as-expected{border-color:var(--good);color:var(--good)}.not-as-expected{border-color:var(--bad);color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:14px 0}
.figures div{background:var(--card);padding:.6em .8em}.figures dt,.figures span{color:var(--muted);font-size:.85rem}
.figures dd{margin:0}.figures b{display:block;font-size:1.6rem;line-height:1.2;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;font-size:.9rem;margin:.5em 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.3em .8em .3em 0;border-bottom:1px solid var(--line)}
thead th{color:var(--muted);font-weight:500;overflow-wrap:normal}th.number,td.number{text-align:right;white-space:nowrap}
.upgrades{width:100%}.upgrades td:nth-child(2){min-width:6em}.upgrades td>span{white-space:nowrap}.upgrades small{display:block;max-width:34ch}summary{cursor:pointer;padding:.3em 0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2em 1.2em;margin:.4em 0 .8em;padding:0;font-size:.85rem}
.load{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2em 1.2em;margin:0;font-size:.9rem}
.load dt{color:var(--muted)}.load dd{margin:0;white-space:pre-wrap}
.chart{display:none;width:100%;height:auto}.chart.narrow{display:block}
.chart text{font-size:${fontSize}px;fill:var(--text)}.grid{stroke:var(--line);fill:none}
.v0{fill:var(--v0)}.v1{fill:var(--v1)}.v2{fill:var(--v2)}.failed{fill:var(--bad)}.cross{stroke:var(--bad);stroke-width:1.6;fill:none}
.hit{fill:#0000}g:hover>.hit{fill:var(--band);fill-opacity:.25}.band{fill:var(--band);fill-opacity:.22}
.phase-Upgrading{fill:var(--upgrading)}.phase-Soaking{fill:var(--soaking)}.phase-Resetting{fill:var(--resetting)}.phase-RollingBack{fill:var(--bad)}
.p50,.p99{fill:none;stroke-width:2;stroke:var(--p50)}.p99{stroke:var(--text);stroke-width:1.3}
@media(min-width:600px){.chart.narrow{display:none}.chart.medium{display:block}}
@media(min-width:1000px){.chart.medium{display:none}.chart.wide{display:block}}
@media(max-width:999px){.figures{grid-template-columns:1fr 1fr}
.upgrades,.upgrades tbody{display:block}.upgrades thead{display:none}
.upgrades tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.2em 1em;padding:.6em 0;border-bottom:1px solid var(--line)}
.upgrades th,.upgrades td{border:0;padding:0}.upgrades .number{text-align:left}.upgrades td:nth-child(5){grid-column:1/-1}
.upgrades [data-label]::before{content:attr(data-label) ": ";color:var(--muted);font-weight:400}}
`;
