import test from 'ava';
import { sizes } from '../../cli/rehearsal/chart.ts';
import { formatRolloutPage } from '../../cli/rehearsal/rollout/page.ts';
import { drawPods } from '../../cli/rehearsal/rollout/pods-chart.ts';
import type { PodReport, RolloutReport, StepReport } from '../../cli/rehearsal/rollout/report.ts';
import { browserTest, checkPages } from './browser.ts';
import { validRollout } from './rehearse-helpers.ts';

const hostile = `</script><script>alert(1)</script><img src="http://127.0.0.1:1/x" onerror='x'>&amp;`;
const counts = { ready: 0, updated: 0, waiting: 0, failed: 0, notSelected: 0, notUpgradable: 0, blocked: 0 };

function pod(index: number, text = ''): PodReport {
  const start = 2_000 + index * 100;
  return {
    namespace: 'default',
    name: `web-${index}${text}`,
    address: `127.1.2.${index}`,
    moments: [
      { startMs: 100, images: `echo:1${text}`, phase: null, ready: false },
      { startMs: 900, images: `echo:1${text}`, phase: null, ready: true },
      { startMs: start, images: `echo:1${text}`, phase: 'Upgrading', ready: true },
      { startMs: start + 300, images: `echo:2${text}`, phase: 'Soaking', ready: true },
      { startMs: start + 350, images: `echo:2${text}`, phase: 'Resetting', ready: true },
      { startMs: start + 700, images: `echo:2${text}`, phase: null, ready: true },
    ],
    goneMs: null,
    sidecarSets: [{ name: `echo${text}`, verdict: 'updated', reason: `it is up to date and ready${text}` }],
  };
}

function step(index: number, of: number, text = ''): StepReport {
  return {
    name: `publish echo: echo:2, partition: ${index}${text}`,
    sidecarSet: `echo${text}`,
    result: index === 1 ? 'halted' : 'settled',
    startMs: 1_800 + (index * 8_000) / of,
    durationMs: 6_000 / of,
    pods: { ...counts, matched: 5, ready: 5, updated: 3, waiting: 2 },
    unavailable: { most: 2, allowed: 2 },
    notReady: { most: 0 },
    latency: { p50: 1.2, p99: 33 },
  };
}

function report(pods: number, steps: number, text = '', changes: Partial<RolloutReport> = {}): RolloutReport {
  const t = Array.from({ length: 90 }, (_, index) => index * 100);
  return {
    schema: 1,
    kind: 'rollout',
    scenario: `rehearse.yaml${text}`,
    startedAt: '2026-11-21T04:58:20.426Z',
    durationMs: 11_000,
    outcome: 'not-as-expected',
    sidecarSets: [`echo${text}`],
    port: 9090,
    load: { kind: 'http', connections: 4, timeout: 10_000, method: 'GET', path: '/', headers: {}, versionHeader: 'v' },
    requests: { total: 45_000, failed: 1, failures: { reset: 1 } },
    connections: { opened: 20, refused: 0, closed: 1, moved: 20, movedBack: 0 },
    latency: { before: { p50: 1, p99: 9 }, during: { p50: 2, p99: 12 }, after: { p50: 1, p99: null } },
    steps: Array.from({ length: steps }, (_, index) => step(index, steps, text)),
    pods: Array.from({ length: pods }, (_, index) => pod(index, text)),
    faults: [],
    expectations: [{ what: `requests.failed${text}`, expected: '0', actual: '1', met: false }],
    timelineStartMs: 1_500,
    timeline: {
      bucketMs: 100,
      buckets: t.map((at) => ({ t: at, requests: 500, failed: at === 500 ? 1 : 0, p50: 1, p99: 20, byVersion: {} })),
    },
    ...changes,
  };
}

const noLoad: Partial<RolloutReport> = {
  load: { kind: 'none' },
  requests: null,
  connections: null,
  latency: null,
  timelineStartMs: null,
  timeline: { bucketMs: 100, buckets: [] },
};

test('the reports of these tests are like real ones', (t) => {
  for (const one of [report(5, 2), report(0, 0, '', noLoad)]) t.deepEqual(validRollout(one), []);
});

for (const size of sizes) {
  test(`the ${size.name} chart has each pod's images and phases, each for as long as they lasted`, (t) => {
    const shown = report(5, 2);
    const span = { from: 1_500, to: 10_500 };
    const svg = drawPods(shown, span, size);
    t.is([...svg.matchAll(/data-pod="/g)].length, 5);
    const found = [...svg.matchAll(/data-from="(\d+)" data-to="(\d+)" data-images="([^"]*)" data-phase="(\w*)"/g)];
    const stretches = found.map(([, from, to, images, phase]) => [Number(from), Number(to), images, phase]);
    t.deepEqual(stretches.slice(0, 5), [
      [1_500, 2_000, 'echo:1', ''],
      [2_000, 2_300, 'echo:1', 'Upgrading'],
      [2_300, 2_350, 'echo:2', 'Soaking'],
      [2_350, 2_700, 'echo:2', 'Resetting'],
      [2_700, 10_500, 'echo:2', ''],
    ]);
    t.is(stretches.length, 25);
  });
}

test('what comes from outside stays text, and the JSON is inside', (t) => {
  const page = formatRolloutPage(report(2, 2, hostile));
  t.false(page.includes('<img'));
  t.is(page.match(/<script/g)?.length, 1);
  const json = /<script type="application\/json" id="report">([\s\S]*?)<\/script>/.exec(page)?.[1] ?? '';
  t.deepEqual(JSON.parse(json), report(2, 2, hostile));
});

browserTest('in a browser the page of a rollout fits, is readable and asks for nothing', async (t) => {
  await checkPages(t, [
    { name: 'some', html: formatRolloutPage(report(5, 2)), charts: 2 },
    { name: 'many', html: formatRolloutPage(report(40, 12)), charts: 2 },
    { name: 'hostile', html: formatRolloutPage(report(2, 2, hostile)), charts: 2 },
    { name: 'no-load', html: formatRolloutPage(report(3, 1, '', noLoad)), charts: 1 },
  ]);
});
