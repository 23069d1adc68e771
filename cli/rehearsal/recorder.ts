import type { Histogram } from './histogram.ts';
import { addSample, percentiles } from './histogram.ts';
import type { Bucket, Latency, LoadSummary, Window } from './load-types.ts';

/** Adds up what clients see. */
export interface Recorder {
  answered(ms: number, version: string | undefined): void;
  failed(reason: string): void;
  connection(event: 'opened' | 'refused' | 'closed' | 'moved' | 'movedBack'): void;
  /** Later answers count for `window`. Returns the latency since the last call. */
  enter(window: Window): Latency;
  /** Ends the present bucket. */
  bucket(now: number): Bucket;
  summary(): LoadSummary;
}

/** `now` in milliseconds since the epoch. */
export function makeRecorder(startedAt: number): Recorder {
  const requests: LoadSummary['requests'] = { total: 0, failed: 0, failures: {} };
  const connections: LoadSummary['connections'] = { opened: 0, refused: 0, closed: 0, moved: 0, movedBack: 0 };
  const windows: Record<Window, Histogram> = { before: new Map(), during: new Map(), after: new Map() };
  let window: Window = 'before';
  let stretch: Histogram = new Map();
  let slice: Histogram = new Map();
  let bucket: Bucket = emptyBucket(0);
  return {
    answered(ms, version) {
      requests.total++;
      bucket.requests++;
      if (version !== undefined) bucket.byVersion[version] = (bucket.byVersion[version] ?? 0) + 1;
      addSample(windows[window], ms);
      addSample(stretch, ms);
      addSample(slice, ms);
    },
    failed(reason) {
      requests.total++;
      requests.failed++;
      requests.failures[reason] = (requests.failures[reason] ?? 0) + 1;
      bucket.requests++;
      bucket.failed++;
    },
    connection(event) {
      connections[event]++;
    },
    enter(next) {
      const latency = latencyOf(stretch);
      window = next;
      stretch = new Map();
      return latency;
    },
    bucket(now) {
      const ended = { ...bucket, ...latencyOf(slice) };
      bucket = emptyBucket(now - startedAt);
      slice = new Map();
      return ended;
    },
    summary: () => ({
      startedAt,
      requests,
      connections,
      latency: {
        before: latencyOf(windows.before),
        during: latencyOf(windows.during),
        after: latencyOf(windows.after),
      },
    }),
  };
}

function latencyOf(histogram: Histogram): Latency {
  const [p50 = null, p99 = null] = percentiles(histogram, [50, 99]);
  return { p50, p99 };
}

function emptyBucket(t: number): Bucket {
  return { t, requests: 0, failed: 0, p50: null, p99: null, byVersion: {} };
}
