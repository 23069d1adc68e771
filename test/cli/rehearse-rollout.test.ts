// How rollouts end, on sidecars that need nothing: a cold one, without the SDK and without load.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { RolloutReport } from '../../cli/rehearsal/rollout/report.ts';
import { temporaryDirectory } from '../helpers/processes.ts';
import { run, type Rehearsed, validRollout } from './rehearse-helpers.ts';

const sleep = { command: ['sleep', 'infinity'] };
const images: Record<string, object> = { 'app:1': sleep, 'log:1': sleep, 'log:2': sleep };

function scenario(t: ExecutionContext, more: object): object {
  const directory = temporaryDirectory(t);
  const write = (name: string, kind: string, apiVersion: string, its: object): string => {
    const file = join(directory, name);
    writeFileSync(file, JSON.stringify({ apiVersion, kind, ...its }));
    return file;
  };
  const set = write('set.json', 'SidecarSet', 'apps.kruise.io/v1beta1', {
    metadata: { name: 's' },
    spec: { selector: { matchLabels: { app: 'a' } }, containers: [{ name: 'log', image: 'log:1' }] },
  });
  const pod = write('pod.json', 'Pod', 'v1', {
    metadata: { name: 'p', namespace: 'shop', labels: { app: 'a' } },
    spec: { containers: [{ name: 'app', image: 'app:1' }], terminationGracePeriodSeconds: 1 },
  });
  return {
    sidecarSets: [set],
    pods: { file: pod, count: 3 },
    images,
    port: 9090,
    load: { kind: 'none', before: 0, between: 0, after: 0 },
    ...more,
  };
}

function reportOf(t: ExecutionContext, { directory }: Rehearsed): RolloutReport {
  const report = JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as RolloutReport;
  t.deepEqual(validRollout(report), []);
  return report;
}

test('cold sidecars are rolled out too, one after the other', async (t) => {
  const steps = [{ publish: { log: 'log:2' }, expect: { updated: 3, unavailable: 1 } }];
  const rehearsed = await run(t, scenario(t, { steps }));
  t.is(rehearsed.status, 0);
  const { pods, requests } = reportOf(t, rehearsed);
  t.is(requests, null);
  t.deepEqual(
    pods.map(({ moments }) => moments.at(-1)?.images),
    ['log:2', 'log:2', 'log:2'],
  );
  t.regex(rehearsed.stdout, /^step 1 +settled in [\d.]+ s {3}publish log: log:2$/m);
  t.regex(
    readFileSync(join(rehearsed.directory, 'report.html'), 'utf8'),
    /<title>Rehearsal of s: as expected<\/title>/,
  );
});

test('an image that nobody has stops a cold rollout at maxUnavailable: exit 1, with what was expected', async (t) => {
  const steps = [{ publish: { log: 'log:none' } }];
  const rehearsed = await run(t, scenario(t, { steps, timeouts: { step: '3s' } }));
  t.is(rehearsed.status, 1);
  const { steps: seen } = reportOf(t, rehearsed);
  t.like(seen[0], { result: 'timed-out', unavailable: { most: 1, allowed: 1 }, notReady: { most: 1 } });
  t.regex(rehearsed.stdout, /^NOT MET +step 1 +expected settled, was timed-out$/m);
});

test('pods that do not come to answer: exit 1, with their last words', async (t) => {
  const broken = { ...images, 'log:1': { command: ['/bin/sh', '-c', 'echo no config; sleep 100'] } };
  const load = { connections: 1, before: 0 };
  const { status, stderr } = await run(t, scenario(t, { images: broken, load, timeouts: { start: '2s' } }));
  t.is(status, 1);
  t.regex(stderr, /pod shop\/p-\d is not ready, or does not answer on port 9090, within 2 s/);
  t.regex(stderr, /no config/);
  t.regex(stderr, /ERR_BATON_NOT_STARTED/);
});

test('an interrupted rollout reports what it has: exit 130', async (t) => {
  const interrupt = new AbortController();
  const steps = [{ publish: { log: 'log:none' } }];
  const running = run(t, scenario(t, { steps }), interrupt.signal);
  const timer = setTimeout(() => interrupt.abort(), 2_500);
  const rehearsed = await running;
  clearTimeout(timer);
  t.is(rehearsed.status, 130);
  t.is(reportOf(t, rehearsed).outcome, 'interrupted');
});
