import { colourOf, drawLoad, sizes, spanOf, versionColours, type Charted } from '../chart.ts';
import { count, duration, escape } from '../markup.ts';
import { figures, latencyCells, loadList, pageOf, swatch, table, verdict } from '../page.ts';
import { drawPods, imagesIn } from './pods-chart.ts';
import type { PodReport, RolloutReport, StepReport } from './report.ts';

/** The report of a rollout as a page. */
export function formatRolloutPage(report: RolloutReport): string {
  const { outcome, pods, port, sidecarSets } = report;
  const charted = chartOf(report);
  const hasLoad = report.timeline.buckets.length > 0;
  const charts = sizes.flatMap((size) => [
    drawPods(report, spanOf(charted), size),
    ...(hasLoad ? [drawLoad(charted, size)] : []),
  ]);
  const body = `${verdict(report)}
${figures(report)}
<h2>Timeline</h2>
<p class="muted">Seconds and minutes are since the rehearsal began.</p>
${legend(report)}
${charts.join('\n')}
<h2>Steps</h2>
${report.steps.length === 0 ? '<p>None was begun.</p>' : stepTable(report.steps)}
<h2>Pods</h2>
${pods.length === 0 ? '<p>None was created.</p>' : podTable(pods)}
<h2>Load</h2>
${loadList(report)}`;
  const facts = [`${count(pods.length)} pods`, `port ${port}`];
  return pageOf({ name: sidecarSets.join(', '), outcome, facts, body, report });
}

function chartOf(report: RolloutReport): Charted {
  const bands = report.steps.map(({ name, result, startMs, durationMs }) => {
    return { what: name, result, isUsual: result === 'settled', startMs, durationMs, phases: [] };
  });
  return { ...report, word: 'step', bands };
}

function legend(report: RolloutReport): string {
  const images = imagesIn(report);
  const items = Array.from({ length: versionColours }, (_, colour) => {
    const its = images.filter((_image, index) => index % versionColours === colour);
    return its.length === 0 ? '' : swatch(colourOf(colour), its.map((image) => image || 'no sidecar').join('; '));
  });
  const moments = report.pods.flatMap((pod) => pod.moments);
  const phases = new Set(moments.flatMap(({ phase }) => phase ?? []));
  items.push(...[...phases].map((phase) => swatch(`phase-${phase}`, phase)));
  const { buckets } = report.timeline;
  items.push(swatch('failed', 'pod not ready, request failed'));
  if (buckets.length > 0) items.push(swatch('p99', 'p99'), swatch('p50', 'p50'));
  return `<ul class="legend">${items.join('')}</ul>`;
}

function stepTable(steps: readonly StepReport[]): string {
  const heads = [
    'Step',
    'What',
    'Result',
    'Pods',
    'Took',
    'Unavailable, most',
    'Not ready, most',
    'p50, ms',
    'p99, ms',
  ];
  const rows = steps.map(({ name, result, pods, durationMs, unavailable, notReady, latency }, index) => {
    const { matched, ...others } = pods;
    const counts = Object.entries(others).filter(([, value]) => value > 0);
    const allowed = unavailable.allowed === null ? '' : ` of ${count(unavailable.allowed)}`;
    return [
      String(index + 1),
      escape(name),
      `<b>${escape(result)}</b>`,
      [`of ${count(matched)}`, ...counts.map(([kind, value]) => `${kind} ${count(value)}`)].map(escape).join(', '),
      duration(durationMs),
      `${count(unavailable.most)}${allowed}`,
      count(notReady.most),
      ...latencyCells(latency ?? { p50: null, p99: null }),
    ];
  });
  return table(heads, rows, 4, 'upgrades steps');
}

function podTable(pods: readonly PodReport[]): string {
  const rows = pods.map(({ namespace, name, address, moments, sidecarSets }) => {
    const ends = sidecarSets.map((set) => `<b>${set.verdict}</b> ${escape(`${set.name}: ${set.reason}`)}`);
    return [
      escape(namespace === 'default' ? name : `${namespace}/${name}`),
      escape(address),
      escape(moments.at(-1)?.images ?? ''),
      ends.join('<br>') || 'not injected',
    ];
  });
  return table(['Pod', 'Address', 'Images that serve', 'In the end'], rows, 4, 'upgrades');
}
