import type { Bucket } from './load-types.ts';

/** Slices of time with what happened in each; their number is bounded. */
export interface Timeline {
  bucketMs: number;
  buckets: Bucket[];
}

const finest = 100;
// An hour of the finest slices.
const most = 36_000;

export function emptyTimeline(): Timeline {
  return { bucketMs: finest, buckets: [] };
}

/** Appends a bucket. When there are too many, `bucketMs` doubles and those of one slice join. */
export function addBucket(timeline: Timeline, bucket: Bucket, limit = most): void {
  const { buckets } = timeline;
  const last = buckets.at(-1);
  if (timeline.bucketMs > finest && last) buckets.splice(-1, 1, ...joinSlices([last, bucket], timeline.bucketMs));
  else buckets.push(bucket);
  if (buckets.length <= limit) return;
  timeline.bucketMs *= 2;
  timeline.buckets = joinSlices(buckets, timeline.bucketMs);
}

function joinSlices(buckets: readonly Bucket[], bucketMs: number): Bucket[] {
  const joined: Bucket[] = [];
  for (const bucket of buckets) {
    const last = joined.at(-1);
    const sameSlice = last && Math.floor(last.t / bucketMs) === Math.floor(bucket.t / bucketMs);
    if (sameSlice) joined[joined.length - 1] = join(last, bucket);
    else joined.push(bucket);
  }
  return joined;
}

/** Percentiles cannot be joined exactly: the larger one stays, so that no peak is hidden. */
function join(first: Bucket, second: Bucket): Bucket {
  const byVersion = { ...first.byVersion };
  for (const [version, count] of Object.entries(second.byVersion))
    byVersion[version] = (byVersion[version] ?? 0) + count;
  return {
    t: first.t,
    requests: first.requests + second.requests,
    failed: first.failed + second.failed,
    p50: larger(first.p50, second.p50),
    p99: larger(first.p99, second.p99),
    byVersion,
  };
}

function larger(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}

const bars = '▁▂▃▄▅▆▇█';

/**
 * One row per version, in the order of their first answers, and one for failures if there are any: a bar for each of
 * `width` equal stretches of time, blank where there was nothing. All rows share one scale.
 */
export function drawTimeline(timeline: Timeline, width: number): { label: string; bars: string }[] {
  const { buckets } = timeline;
  const last = buckets.at(-1);
  if (!last) return [];
  const span = last.t + timeline.bucketMs;
  const rows = new Map<string, number[]>();
  const failed = emptyRow(width);
  for (const bucket of buckets) {
    const column = Math.min(width - 1, Math.floor((bucket.t / span) * width));
    const counts = Object.entries(bucket.byVersion);
    const answered = bucket.requests - bucket.failed;
    // Without a version header all answers share one row.
    if (counts.length === 0 && answered > 0) counts.push(['', answered]);
    for (const [version, count] of counts) {
      const row = rows.get(version) ?? emptyRow(width);
      row[column] = (row[column] ?? 0) + count;
      rows.set(version, row);
    }
    failed[column] = (failed[column] ?? 0) + bucket.failed;
  }
  const top = Math.max(1, ...[...rows.values()].flat());
  const drawn = [...rows].map(([version, row]) => ({
    label: version === '' ? 'answers' : `version ${version}`,
    bars: row.map((count) => bar(count, top)).join(''),
  }));
  if (failed.some((count) => count > 0)) {
    drawn.push({ label: 'failed', bars: failed.map((count) => (count > 0 ? '!' : ' ')).join('') });
  }
  return drawn;
}

function bar(count: number, top: number): string {
  if (count === 0) return ' ';
  return bars[Math.min(bars.length - 1, Math.floor((count / top) * bars.length))] ?? ' ';
}

function emptyRow(width: number): number[] {
  return Array.from({ length: width }, () => 0);
}
