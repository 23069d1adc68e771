import { PassThrough } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { judge, parseComparison } from '../../cli/rehearsal/expectation.ts';
import { addSample, percentiles } from '../../cli/rehearsal/histogram.ts';
import type { Bucket } from '../../cli/rehearsal/load-types.ts';
import { makePace } from '../../cli/rehearsal/pace.ts';
import { makeProgress } from '../../cli/rehearsal/progress.ts';
import { makeRecorder } from '../../cli/rehearsal/recorder.ts';
import { addBucket, drawTimeline, emptyTimeline } from '../../cli/rehearsal/timeline.ts';

test('percentiles are those of the sorted samples', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(5_000), { minLength: 1, maxLength: 300 }),
      fc.constantFrom(1, 50, 90, 99, 100),
      (us, percent) => {
        const histogram = new Map<number, number>();
        for (const value of us) addSample(histogram, value / 1000);
        const sorted = us.toSorted((a, b) => a - b);
        const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0;
        return percentiles(histogram, [percent])[0] === exact / 1000;
      },
    ),
  );
  t.deepEqual(percentiles(new Map(), [50, 99]), [null, null]);
});

const bucket = (t: number, byVersion: Record<string, number>, failed = 0): Bucket => {
  const answered = Object.values(byVersion).reduce((sum, count) => sum + count, 0);
  return { t, requests: answered + failed, failed, p50: t, p99: t, byVersion };
};

test('a timeline is bounded, and joining loses no request', (t) => {
  const timeline = emptyTimeline();
  for (let i = 0; i < 1_000; i++) addBucket(timeline, bucket(i * 100, { a: 2, [String(i % 3)]: 1 }, 1), 16);
  t.true(timeline.buckets.length <= 16);
  t.is(
    timeline.buckets.reduce((sum, { requests }) => sum + requests, 0),
    4_000,
  );
  t.is(
    timeline.buckets.reduce((sum, { failed }) => sum + failed, 0),
    1_000,
  );
  t.is(timeline.buckets[0]?.t, 0);
  t.is(timeline.bucketMs, 6_400);
});

test('the drawing has a row per version on one scale, and one for failures', (t) => {
  const timeline = emptyTimeline();
  for (const [i, its] of [{ '1': 8 }, { '1': 4, '2': 4 }, {}, { '2': 8 }].entries()) {
    addBucket(timeline, bucket(i * 100, its as Record<string, number>, i === 1 ? 1 : 0));
  }
  t.deepEqual(drawTimeline(timeline, 4), [
    { label: 'version 1', bars: '█▅  ' },
    { label: 'version 2', bars: ' ▅ █' },
    { label: 'failed', bars: ' !  ' },
  ]);
  t.deepEqual(drawTimeline(emptyTimeline(), 60), []);
});

test('comparisons are read and held', (t) => {
  t.deepEqual(parseComparison('>= 100'), { operator: '>=', value: 100 });
  t.deepEqual(parseComparison(0), { operator: '==', value: 0 });
  t.deepEqual(parseComparison('<1.5'), { operator: '<', value: 1.5 });
  t.is(parseComparison('any'), null);
  for (const bad of ['=> 3', 'many', '', true, null, [], NaN]) t.is(parseComparison(bad), undefined);
  const met = (operator: '<' | '<=' | '==' | '>=' | '>', actual: number | null) =>
    judge([{ metric: 'requests.failed', operator, value: 5 }], () => actual)[0]?.met;
  t.deepEqual(
    (['<', '<=', '==', '>=', '>'] as const).map((operator) => [4, 5, 6].map((actual) => met(operator, actual))),
    [
      [true, false, false],
      [true, true, false],
      [false, true, false],
      [false, true, true],
      [false, false, true],
    ],
  );
  t.is(met('==', null), false);
});

test('answers count for the window and the bucket in which they came', (t) => {
  const recorder = makeRecorder(1_000);
  recorder.answered(1, '1');
  t.deepEqual(recorder.enter('during'), { p50: 1, p99: 1 });
  recorder.answered(3, '1');
  recorder.failed('reset');
  t.deepEqual(recorder.bucket(1_100), { t: 0, requests: 3, failed: 1, p50: 1, p99: 3, byVersion: { '1': 2 } });
  t.deepEqual(recorder.enter('after'), { p50: 3, p99: 3 });
  recorder.answered(5, '2');
  recorder.connection('moved');
  t.like(recorder.bucket(1_200), { t: 100, requests: 1, byVersion: { '2': 1 } });
  t.like(recorder.summary(), {
    requests: { total: 4, failed: 1, failures: { reset: 1 } },
    connections: { opened: 0, refused: 0, closed: 0, moved: 1, movedBack: 0 },
    latency: { before: { p50: 1, p99: 1 }, during: { p50: 3, p99: 3 }, after: { p50: 5, p99: 5 } },
  });
});

test('a rate is spread over the clients, and a late request keeps its place', (t) => {
  const paces = [0, 1].map((index) => makePace(20, index, 2, 1_000));
  t.deepEqual(
    paces.map((pace) => [pace.next(1_000), pace.next(9_999), pace.next(9_999)]),
    [
      [1_000, 1_100, 1_200],
      [1_050, 1_150, 1_250],
    ],
  );
  t.is(makePace(undefined, 0, 2, 1_000).next(1_234), 1_234);
});

test('progress is one line per step, and in place on a terminal but for what stays', (t) => {
  const shown = (isTTY: boolean) => {
    const stream = Object.assign(new PassThrough(), { isTTY, columns: 24 });
    const progress = makeProgress(stream);
    progress.step('a step that is longer than the terminal');
    progress.keep('stays');
    progress.step('next');
    progress.end();
    return (stream.read() as Buffer).toString();
  };
  t.is(shown(false), 'a step that is longer than the terminal\nstays\nnext\n');
  t.is(shown(true).replaceAll('\r\u001b[K', '|'), '|a step that is longer t|stays\n|next|');
});
