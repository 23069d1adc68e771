const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and in quoted attributes. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** `1,234,567`; at most `digits` decimals. */
export function count(value: number, digits = 0): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** Milliseconds with three figures that count: `0.42 ms`, `13.2 ms`, `359 ms`, `11.8 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 10_000) return `${count(ms, ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
  if (ms < 119_950) return `${count(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${count(Math.floor(seconds / 60))} min${seconds % 60 === 0 ? '' : ` ${seconds % 60} s`}`;
}

/** A figure for an axis: `950`, `6.5k`, `2M`. */
export function short(value: number): string {
  if (value >= 1e6) return `${count(value / 1e6, 2)}M`;
  return value >= 10_000 ? `${count(value / 1000, 1)}k` : count(value, 3);
}

/** At least two even marks from 0, the last one at or above `top`. */
export function evenTicks(top: number, most: number): number[] {
  const rough = Math.max(top, 1e-3) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.max(1, Math.ceil(top / step - 1e-9)) + 1 }, (_, index) => index * step);
}

/** Marks for a logarithmic axis, `low` and `top` within: powers of ten, and 2 and 5 between them when those are few. */
export function logTicks(low: number, top: number): number[] {
  const steps = top / low > 500 ? [1] : [1, 2, 5];
  const marks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(top)); power++) {
    marks.push(...steps.map((step) => Number((step * 10 ** power).toPrecision(3))));
  }
  const first = marks.findLastIndex((mark) => mark <= low);
  const last = marks.findIndex((mark) => mark >= top);
  return marks.slice(Math.max(0, first), last + 1);
}

const timeSteps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600];

/** Marks for an axis of time between two moments, all in one unit. */
export function timeTicks(fromMs: number, toMs: number, most: number): { ms: number; text: string }[] {
  const wanted = (toMs - fromMs) / 1000 / most;
  const step = timeSteps.find((seconds) => seconds >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
  const ticks: { ms: number; text: string }[] = [];
  for (let index = Math.max(0, Math.ceil(fromMs / 1000 / step - 1e-9)); index * step * 1000 <= toMs; index++) {
    const seconds = index * step;
    const text = step % 60 === 0 ? `${count(seconds / 60)} min` : `${count(seconds, 1)} s`;
    ticks.push({ ms: seconds * 1000, text });
  }
  return ticks;
}

/**
 * Finds a place for texts that are centred at `x`, in as few rows as needed and at most `rows`, so that none lies over
 * another. `placed` is in the order of `labels`, `undefined` where there was no place.
 */
export function placeLabels(
  labels: readonly { x: number; text: string }[],
  at: { from: number; to: number; rows: number; fontSize: number },
): { placed: ({ x: number; row: number; text: string } | undefined)[]; rows: number } {
  const ends: number[] = [];
  const placed = labels.map(({ x, text }) => {
    const half = (text.length * at.fontSize * 0.62) / 2;
    const middle = Math.max(at.from + half, Math.min(at.to - half, x));
    let row = ends.findIndex((end) => end + at.fontSize / 3 <= middle - half);
    if (row < 0) row = ends.length;
    if (row >= at.rows || half * 2 > at.to - at.from) return undefined;
    ends[row] = middle + half;
    return { x: middle, row, text };
  });
  return { placed, rows: ends.length };
}
