import { readFileSync } from 'node:fs';
import test from 'ava';
import { drawChart, sizes } from '../../cli/rehearsal/chart.ts';
import { formatPage } from '../../cli/rehearsal/html.ts';
import { duration, evenTicks, logTicks, placeLabels, timeTicks } from '../../cli/rehearsal/markup.ts';
import type { Report, UpgradeReport } from '../../cli/rehearsal/report.ts';
import { browserTest, checkPages } from './browser.ts';

const hostile = `</script><script>alert(1)</script><img src="http://127.0.0.1:1/x" onerror='x'>&amp;`;

type Result = UpgradeReport['result'];

function upgrade(index: number, startMs: number, result: Result, message: string | null = null): UpgradeReport {
  const phases: UpgradeReport['phases'] =
    result === 'rolled-back'
      ? [
          { phase: 'Upgrading', ms: 250 },
          { phase: 'RollingBack', ms: 150 },
        ]
      : [
          { phase: 'Upgrading', ms: 300 },
          { phase: 'Soaking', ms: 60 },
          { phase: 'Resetting', ms: 40 },
        ];
  return {
    version: String(index + 2),
    previousVersion: String(index + 1),
    container: 'echo-2',
    fault: result === 'rolled-back' ? 'crash-after-ready' : null,
    faultHappened: result === 'rolled-back' ? true : null,
    result,
    reason: result === 'rolled-back' ? 'Crashed' : null,
    message,
    startMs,
    durationMs: 400,
    phases,
    latency: { p50: 1.25, p99: 12_345.678 },
    predecessor: { phase: 'drained', error: null, counters: { moved: 1_234, finished: 56, cut: 7 } },
    successor: { phase: 'serving', error: null, counters: { handoverMs: 13.22 } },
  };
}

/** A report of `seconds` of load with one upgrade after the other; some slices have failures, some nothing at all. */
function makeReport(upgrades: number, seconds: number, changes: Partial<Report> = {}): Report {
  const gap = (seconds * 1000) / (upgrades + 1);
  const buckets = Array.from({ length: seconds * 10 }, (_, index) => {
    const t = index * 100 + (index % 7);
    const version = 1 + Math.max(0, Math.floor((t - 200) / gap));
    const answered = index % 41 === 40 ? 0 : 550 + ((index * 37) % 120);
    const failed = index % 97 === 50 ? 3 : 0;
    const byVersion: Record<string, number> = answered === 0 ? {} : { [version]: answered - 20, [version + 1]: 20 };
    const p50 = answered === 0 ? null : 2 + ((index * 13) % 10) / 10;
    return {
      t,
      requests: answered + failed,
      failed,
      p50,
      p99: p50 === null ? null : p50 * (index % 60 === 30 ? 90 : 3),
      byVersion,
    };
  });
  const failed = buckets.reduce((sum, bucket) => sum + bucket.failed, 0);
  return {
    schema: 1,
    scenario: 'rehearse.yaml',
    startedAt: '2026-11-21T04:58:20.426Z',
    durationMs: seconds * 1000 + 800,
    outcome: 'not-as-expected',
    sidecar: { name: 'echo', host: '127.0.0.1', port: 9091 },
    load: {
      kind: 'http',
      connections: 1_000,
      timeout: 10_000,
      method: 'GET',
      path: '/',
      headers: {},
      versionHeader: 'v',
    },
    requests: { total: buckets.reduce((sum, { requests }) => sum + requests, 0), failed, failures: { reset: failed } },
    connections: { opened: 1_000, refused: 0, closed: 3, moved: 20_000, movedBack: 0 },
    latency: { before: { p50: 2, p99: 6 }, during: { p50: 2.4, p99: 180 }, after: { p50: null, p99: null } },
    upgrades: Array.from({ length: upgrades }, (_, index) =>
      upgrade(
        index,
        Math.round(500 + gap * (index + 1)),
        index % 8 === 6 ? 'rolled-back' : 'done',
        index === 6 ? 'exit code 137 (SIGKILL) right after ready' : null,
      ),
    ),
    expectations: [
      { what: 'requests.failed', expected: '0', actual: String(failed), met: false },
      { what: 'requests.total', expected: '> 0', actual: '1', met: true },
    ],
    timelineStartMs: 477,
    timeline: { bucketMs: 100, buckets },
    ...changes,
  };
}

const noLoad: Partial<Report> = {
  outcome: 'as-expected',
  load: { kind: 'none' },
  requests: null,
  connections: null,
  latency: null,
  expectations: [],
  timelineStartMs: null,
  timeline: { bucketMs: 100, buckets: [] },
};

const attributes = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map(([, ...groups]) => groups);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

for (const size of sizes) {
  test(`the ${size.name} chart draws every request and failure of the JSON, by version, in bars as high as they were many`, (t) => {
    for (const report of [makeReport(3, 12), makeReport(20, 100)]) {
      const svg = drawChart(report, size);
      const bars = attributes(svg, /height="([\d.]+)" data-requests="(\d+)"[^>]* data-(version|failed)="([^"]*)"/g);
      const { buckets } = report.timeline;
      const drawn = (kind: string, version: string) =>
        sum(bars.filter((bar) => bar[2] === kind && bar[3] === version).map((bar) => Number(bar[1])));
      t.is(sum(bars.map((bar) => Number(bar[1]))), report.requests?.total ?? 0);
      t.is(drawn('failed', ''), report.requests?.failed ?? 0);
      const versions = new Set(buckets.flatMap(({ byVersion }) => Object.keys(byVersion)));
      for (const version of versions)
        t.is(drawn('version', version), sum(buckets.map(({ byVersion }) => byVersion[version] ?? 0)));
      const columns = attributes(
        svg,
        /<g data-from="([\d.]+)" data-to="([\d.]+)"><title>[^<]*<\/title>((?:<rect[^>]*data-requests[^>]*>)*)/g,
      );
      t.true(columns.length <= size.columns && columns.length > size.columns / 3);
      const perRate = columns.flatMap(([from, to, rects = '']) =>
        attributes(rects, / height="([\d.]+)" data-requests="(\d+)"/g)
          .filter(([height]) => Number(height) > 20)
          .map(([height, requests]) => Number(height) / (Number(requests) / (Number(to) - Number(from)))),
      );
      t.true(perRate.length > 20 && Math.max(...perRate) / Math.min(...perRate) < 1.01);
    }
  });

  test(`the ${size.name} chart has one band per upgrade, at its time and with its phases`, (t) => {
    for (const report of [makeReport(20, 100), makeReport(2, 10, noLoad)]) {
      const svg = drawChart(report, size);
      const bands = attributes(
        svg,
        /data-upgrade="(\d+)" data-from="(\d+)" data-to="(\d+)">.*?<rect class="band" x="([\d.]+)".*?>(.*?)<\/g>/g,
      );
      t.deepEqual(
        bands.map(([number, from, to]) => [number, from, to].map(Number)),
        report.upgrades.map(({ startMs, durationMs }, index) => [index + 1, startMs, startMs + durationMs]),
      );
      t.deepEqual(
        bands.map((band) => attributes(band[4] ?? '', /data-phase="(\w+)" data-ms="(\d+)"/g)),
        report.upgrades.map(({ phases }) => phases.map(({ phase, ms }) => [phase, String(ms)])),
      );
      const [first, last] = [bands[0], bands.at(-1)].map((band) => ({ ms: Number(band?.[1]), x: Number(band?.[3]) }));
      for (const band of bands) {
        const share = (Number(band[1]) - (first?.ms ?? 0)) / ((last?.ms ?? 0) - (first?.ms ?? 0));
        t.true(Math.abs(Number(band[3]) - (first?.x ?? 0) - share * ((last?.x ?? 0) - (first?.x ?? 0))) < 0.1);
      }
    }
  });
}

test('the latency lines are those of the JSON, with gaps where nothing was answered; joined slices keep the peak', (t) => {
  const report = makeReport(1, 10);
  const points = (svg: string, name: string) =>
    (new RegExp(`class="${name}" data-points="([^"]*)"`).exec(svg)?.[1] ?? '').split(' ');
  for (const name of ['p50', 'p99'] as const) {
    const expected = report.timeline.buckets.map((bucket) => String(bucket[name] ?? ''));
    t.deepEqual(points(drawChart(report, sizes[1]), name), expected);
  }
  const long = makeReport(1, 100);
  const peak = Math.max(...long.timeline.buckets.map(({ p99 }) => p99 ?? 0));
  t.is(Math.max(...points(drawChart(long, sizes[2]), 'p99').map(Number)), peak);
  t.is(long.timeline.buckets.length, 1_000);
});

test('the page says the verdict and the figures, and holds the JSON', (t) => {
  const report = makeReport(20, 100);
  const page = formatPage(report);
  t.regex(page, /Not as expected: 1 of 2 expectations were not met/);
  t.regex(page, />requests\.failed<.*?>0<.*?>30<.*?>NO</);
  t.regex(page, /Connections moved<\/dt><dd><b>20,000</);
  t.regex(page, />1,234<.*?>56<.*?>7<.*?>13\.2<.*?>1\.25<.*?>12,345\.68</);
  const embedded = /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
  t.deepEqual(JSON.parse(embedded), report);
  t.regex(formatPage(makeReport(1, 10, { outcome: 'interrupted', expectations: [] })), /Interrupted: .* not judged/);
  t.regex(formatPage(makeReport(1, 10, noLoad)), /Your own load/);
});

test('what comes from outside stays text', (t) => {
  const report = hostileReport();
  const page = formatPage(report);
  const markup = page.replace(/<script type="application\/json".*/s, '');
  t.deepEqual(markup.match(/<img|<script|onerror='|&amp;(?!amp;)/g), null);
  t.is(page.match(/<script/g)?.length, 1);
  t.is(page.match(/<\/script>/g)?.length, 1);
  t.true(page.includes('&lt;/script&gt;&lt;script&gt;alert(1)'));
});

function hostileReport(): Report {
  const report = makeReport(8, 20, { scenario: hostile, sidecar: { name: hostile, host: hostile, port: 1 } });
  const [first] = report.upgrades;
  if (first) Object.assign(first, { version: hostile, message: hostile, container: hostile });
  if (first?.successor) first.successor.error = { code: hostile, message: hostile };
  report.requests = { total: 1, failed: 1, failures: { [hostile]: 1 } };
  Object.assign(report.load, { path: hostile, body: hostile.repeat(9), headers: { [hostile]: hostile } });
  for (const bucket of report.timeline.buckets.slice(0, 60))
    bucket.byVersion = { [hostile]: bucket.requests - bucket.failed };
  report.expectations = [{ what: hostile, expected: hostile, actual: hostile, met: false }];
  return report;
}

test('labels take as few rows as they need, and what has no place is left out', (t) => {
  const at = { from: 0, to: 100, rows: 2, fontSize: 10 };
  const rows = (xs: number[]) =>
    placeLabels(
      xs.map((x) => ({ x, text: 'ab' })),
      at,
    ).placed.map((mark) => mark?.row);
  t.deepEqual(rows([10, 40, 70]), [0, 0, 0]);
  t.deepEqual(rows([10, 20, 30, 31]), [0, 1, 0, undefined]);
  t.deepEqual(placeLabels([{ x: 99, text: 'abcd' }], at).placed[0]?.x, 100 - 12.4);
});

test('axes have even marks that hold all values, and one unit', (t) => {
  t.deepEqual(evenTicks(6_429, 4), [0, 2_000, 4_000, 6_000, 8_000]);
  t.deepEqual(logTicks(2.5, 180), [2, 5, 10, 20, 50, 100, 200]);
  t.deepEqual(logTicks(0.3, 900), [0.1, 1, 10, 100, 1_000]);
  const texts = (from: number, to: number) => timeTicks(from, to, 4).map(({ text }) => text);
  t.deepEqual(texts(0, 11_000), ['0 s', '5 s', '10 s']);
  t.deepEqual(texts(477, 600_000), ['5 min', '10 min']);
  t.deepEqual([0.4567, 13.22, 359, 11_800, 125_000].map(duration), [
    '0.46 ms',
    '13.2 ms',
    '359 ms',
    '11.8 s',
    '2 min 5 s',
  ]);
});

browserTest('in a browser the page fits 320 to 1200 px, light and dark, readable, and asks for nothing', async (t) => {
  const cases: Record<string, Report> = {
    some: makeReport(3, 12),
    many: makeReport(20, 100),
    hostile: hostileReport(),
    'no-load': makeReport(2, 10, noLoad),
    interrupted: makeReport(0, 1, { outcome: 'interrupted', expectations: [] }),
  };
  const demo = process.env['BATON_REPORT'];
  if (demo !== undefined) cases['demo'] = JSON.parse(readFileSync(demo, 'utf8')) as Report;
  await checkPages(
    t,
    Object.entries(cases).map(([name, report]) => ({ name, html: formatPage(report), charts: 1 })),
  );
});
