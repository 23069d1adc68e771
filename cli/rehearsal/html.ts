import { colourOf, drawChart, sizes, versionColours, versionsOf } from './chart.ts';
import { duration, escape } from './markup.ts';
import { figure, figures, latencyCells, loadList, pageOf, swatch, table, verdict } from './page.ts';
import type { Report, UpgradeReport } from './report.ts';

/** The report of one sidecar's upgrades as a page. */
export function formatPage(report: Report): string {
  const { name, host, port } = report.sidecar;
  const body = `${verdict(report)}
${figures(report)}
<h2>Timeline</h2>
<p class="muted">Seconds and minutes are since the rehearsal began.</p>
${legend(report)}
${sizes.map((size) => drawChart(report, size)).join('\n')}
<h2>Upgrades</h2>
${report.upgrades.length === 0 ? '<p>None was begun.</p>' : upgradeTable(report.upgrades)}
<h2>Load</h2>
${loadList(report)}`;
  return pageOf({ name, outcome: report.outcome, facts: [`${host} port ${port}`], body, report });
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
