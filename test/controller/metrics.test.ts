import { readFileSync } from 'node:fs';
import test from 'ava';
import { Registry } from 'prom-client';
import { createMetrics } from '../../controller/metrics.ts';
import { plan } from '../../controller/rollout/plan.ts';
import { podsOf, setWith } from './rollout/scene.ts';

const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');

test('the page lists every metric with its type and labels, and no other', async (t) => {
  const registry = new Registry();
  createMetrics(registry, () => 0);
  const kept = await registry.getMetricsAsJSON();
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\|/gm)].map(([, name, type, labels = '']) => [
    name,
    type,
    [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(),
  ]);
  const labelsOf = (name: string): string[] =>
    [...(registry.getSingleMetric(name) as unknown as { labelNames: string[] }).labelNames].sort();
  const own = kept
    .filter(({ name }) => name.startsWith('baton_'))
    .map(({ name, type }) => [name, type, labelsOf(name)]);
  const byName = (a: unknown[], b: unknown[]): number => (String(a[0]) < String(b[0]) ? -1 : 1);
  t.deepEqual(rows.sort(byName), own.sort(byName));
});

test('a rollout is counted by state, and forgotten with its set or the lead', async (t) => {
  const registry = new Registry();
  const metrics = createMetrics(registry, () => 3);
  const planned = plan(setWith('side:2', { strategy: { maxUnavailable: 2 } }), podsOf(setWith('side:1'), 5), {
    now: 0,
  });
  metrics.planned('s', planned);
  metrics.counted({ labelled: 2, missed: new Map([['s', 4]]) });
  const text = await registry.metrics();
  for (const line of [
    'baton_rollout_pods{sidecarset="s",state="upgrade"} 2',
    'baton_rollout_pods{sidecarset="s",state="waiting"} 3',
    'baton_rollout_pods{sidecarset="s",state="failed"} 0',
    'baton_rollout_halted{sidecarset="s"} 0',
    'baton_missed_pods{sidecarset="s"} 4',
    'baton_adopted_pods_total 2',
    'baton_queue_length 3',
  ]) {
    t.true(text.includes(line), line);
  }
  metrics.forgotten('s');
  t.false((await registry.metrics()).includes('sidecarset="s"'));
  metrics.planned('s', planned);
  metrics.leading(false);
  t.false((await registry.metrics()).includes('sidecarset="s"'));
});

test('requests and reviews that fail are told apart', async (t) => {
  const registry = new Registry();
  const metrics = createMetrics(registry, () => 0);
  metrics.requested({ method: 'PATCH', resource: 'pods', status: 200, ms: 3 });
  metrics.requested({ method: 'PATCH', resource: 'pods', status: 409, ms: 3 });
  metrics.answered({ path: '/mutate-pods', status: 200, allowed: true, milliseconds: 1 });
  metrics.answered({ path: '/convert', status: 200, milliseconds: 1 });
  const text = await registry.metrics();
  t.regex(text, /baton_api_request_duration_seconds_count\{method="PATCH",resource="pods"\} 2/);
  t.regex(text, /baton_api_request_errors_total\{method="PATCH",resource="pods",status="409"\} 1/);
  t.regex(text, /baton_webhook_responses_total\{path="\/mutate-pods",status="200",allowed="true"\} 1/);
  t.regex(text, /baton_webhook_responses_total\{path="\/convert",status="200",allowed=""\} 1/);
});
