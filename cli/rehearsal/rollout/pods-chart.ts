import { colourOf, fontSize, label, n, scaleOf, type sizes } from '../chart.ts';
import { duration, escape } from '../markup.ts';
import type { PodReport, RolloutReport } from './report.ts';

const labelHeight = 18;
const bandHeight = 12;
const stripHeight = 4;
const gap = 6;
const rowHeight = labelHeight + bandHeight + stripHeight + gap;

/** What a pod was for a while; times in milliseconds since the rehearsal began. */
interface Stretch {
  from: number;
  to: number;
  images: string;
  phase: string | null;
  ready: boolean;
}

/** All combinations of images that served, in the order of their first time. */
export function imagesIn({ pods }: RolloutReport): string[] {
  const moments = pods.flatMap((pod) => pod.moments).toSorted((a, b) => a.startMs - b.startMs);
  return [...new Set(moments.map(({ images }) => images))];
}

/** The pods as one SVG, a row for each: the images that served, over time, and below them the phases of its upgrades. */
export function drawPods(
  report: RolloutReport,
  span: { from: number; to: number },
  size: (typeof sizes)[number],
): string {
  const x = scaleOf(span, size);
  const order = imagesIn(report);
  const height = report.pods.length * rowHeight + labelHeight;
  const id = `pods-${size.name}`;
  const marks = report.steps
    .map(({ startMs }) => x(startMs))
    .map((at) => `<path class="grid" d="M${n(at)} ${labelHeight}V${height}"/>`);
  const rows = report.pods.map((pod, index) => drawPod(pod, labelHeight + index * rowHeight, { x, span, order, size }));
  return (
    `<svg class="chart ${size.name}" viewBox="0 0 ${size.width} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc">` +
    `<title id="${id}-title">The pods over time</title><desc id="${id}-desc">${escape(describe(report))}</desc>` +
    label(0, 12, 'image that serves, by pod') +
    `${marks.join('')}${rows.join('')}</svg>`
  );
}

function drawPod(
  pod: PodReport,
  top: number,
  {
    x,
    span,
    order,
    size,
  }: {
    x: (ms: number) => number;
    span: { from: number; to: number };
    order: readonly string[];
    size: (typeof sizes)[number];
  },
): string {
  const bandTop = top + labelHeight;
  const parts = stretchesOf(pod, span).map(({ from, to, images, phase, ready }) => {
    const [at, width] = [x(from), Math.max(0.5, x(to) - x(from))];
    const box = (name: string, y: number, high: number): string =>
      `<rect class="${name}" x="${n(at)}" y="${y}" width="${n(width)}" height="${high}"/>`;
    const what = [images, ...(phase === null ? [] : [phase]), ...(ready ? [] : ['not ready'])].join(', ');
    return (
      `<g data-from="${n(from)}" data-to="${n(to)}" data-images="${escape(images)}" data-phase="${phase ?? ''}" data-ready="${ready}">` +
      `<title>${escape(`${pod.name}, ${duration(from)} to ${duration(to)}: ${what}`)}</title>` +
      box(colourOf(order.indexOf(images)), bandTop, bandHeight) +
      (ready ? '' : box('failed', bandTop, bandHeight / 2)) +
      (phase === null ? '' : box(`phase-${escape(phase)}`, bandTop + bandHeight, stripHeight)) +
      '</g>'
    );
  });
  const most = Math.floor((size.width / 2 - 10) / (fontSize * 0.62));
  const images = pod.moments.at(-1)?.images ?? '';
  return (
    `<g data-pod="${escape(pod.name)}"><title>${escape(`${pod.namespace}/${pod.name}, ${pod.address}`)}</title>` +
    label(0, bandTop - 4, cut(pod.name, most)) +
    label(size.width, bandTop - 4, cut(images, most), 'end') +
    `${parts.join('')}</g>`
  );
}

/** A pod's moments with their ends, as far as they are shown. */
function stretchesOf({ moments, goneMs }: PodReport, span: { from: number; to: number }): Stretch[] {
  const end = Math.min(goneMs ?? span.to, span.to);
  return moments
    .map(({ startMs, ...moment }, index) => ({
      ...moment,
      from: Math.max(startMs, span.from),
      to: Math.min(moments[index + 1]?.startMs ?? end, end),
    }))
    .filter(({ from, to }) => to > from);
}

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function describe({ pods }: RolloutReport): string {
  return pods
    .map(({ name, moments, sidecarSets }) => {
      const images = [...new Set(moments.map((moment) => moment.images))].join(', then ');
      return `${name}: ${images}; in the end ${sidecarSets.map(({ verdict }) => verdict).join(', ') || 'not injected'}.`;
    })
    .join(' ');
}
