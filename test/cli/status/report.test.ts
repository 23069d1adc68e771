import { readFileSync } from 'node:fs';
import test from 'ava';
import { printTime } from '../../../api/go-json.ts';
import { printGrants } from '../../../api/grant.ts';
import { printHashes, readHashes } from '../../../api/pod-annotations.ts';
import { grantKey, hashKey, hashWithoutImageKey } from '../../../api/pod-contract.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet, SidecarSetCondition, UpdateStrategy } from '../../../api/sidecar-set.ts';
import { durationOf, drawLine, drawSet, drawSets } from '../../../cli/status/draw.ts';
import { phases } from '../../../cli/status/phase.ts';
import { reportOf, type SetReport } from '../../../cli/status/report.ts';
import { grantOf } from '../../../controller/rollout/grants.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';
import { now, podOf, podsOf, setWith, withAnnotation, withRecord } from '../../controller/rollout/scene.ts';

const page = readFileSync(new URL('../../../docs/status.md', import.meta.url), 'utf8');

const seconds = (count: number): number => now - count * 1000;

/** The pod, upgraded to what its annotations say at this time. */
function upgradedAt(pod: Pod, time: number): Pod {
  const hashes = readHashes(pod.metadata?.annotations?.[hashKey]);
  const entries = 'problem' in hashes ? [] : [...hashes.value];
  const later = entries.map(([name, entry]) => [name, { ...entry, updateTimestamp: printTime(time) }] as const);
  return withAnnotation(pod, hashKey, printHashes(new Map(later)));
}

const observed = (set: SidecarSet, conditions: SidecarSetCondition[] = []): SidecarSet => ({
  ...set,
  status: {
    ...{ observedGeneration: 3, matchedPods: 0, updatedPods: 0, readyPods: 0 },
    ...{ latestRevision: 'proxy-5b8d9c7f6', conditions },
  },
});
const cold = (strategy: UpdateStrategy = {}) => ({
  old: setWith('side:1', { strategy }),
  next: observed(setWith('side:2', { strategy })),
});
const report = (set: SidecarSet, pods: readonly Pod[]): SetReport => reportOf(set, { pods, now });
const condition = (type: string, status: 'True' | 'False', reason: string, message: string): SidecarSetCondition => ({
  ...{ type, status, reason, message },
  lastTransitionTime: '2026-01-02T03:00:00Z',
});

test('a cold rollout: phases, reasons, and what is left at the pace so far', (t) => {
  const { old, next } = cold({ maxUnavailable: 1 });
  const done = podsOf(next, 4).map((pod, index) => upgradedAt(pod, seconds(40 - 10 * index)));
  const restarting = upgradedAt(podOf(next, 'r', { ready: false }), seconds(0));
  const pods = [...done, restarting, podOf(old, 'w1'), podOf(old, 'w2')];
  const made = report(next, pods);
  t.like(made, { name: 's', observed: true, state: 'Upgrading', goesOn: true, needsAttention: false });
  t.deepEqual(made.pods, { matched: 7, updated: 5, ready: 6, updatedReady: 4 });
  t.deepEqual(made.phases, { waiting: 2, restarting: 1, updated: 4 });
  t.deepEqual(made.waiting, [{ reason: 'maxUnavailable: 1 of 1 pods are unavailable', count: 2 }]);
  t.deepEqual(made.underWay, [
    {
      ...{ namespace: 'default', name: 'r', node: 'n1', phase: 'restarting' as const },
      reason: 'it is up to date, and not ready yet',
    },
  ]);
  // Five in 40 s; three are left.
  t.is(made.etaSeconds, 24);
  t.is(drawLine(made), 's: Upgrading: 5 of 7 updated, 4 of them ready, about 24 s left, 1 under way, 2 waiting');
});

test('there is no time left to tell without a pace: too few upgrades, pods created so, a pause', (t) => {
  const { old, next } = cold();
  const upgraded = podsOf(next, 5).map((pod) => upgradedAt(pod, seconds(10)));
  t.is(report(next, [...upgraded.slice(0, 2), podOf(old, 'w')]).etaSeconds, undefined);
  t.is(report(next, [...upgraded.slice(0, 3), podOf(old, 'w')]).etaSeconds, 4);
  t.is(report(next, [...podsOf(next, 5), podOf(old, 'w')]).etaSeconds, undefined);
  const paused = cold({ paused: true });
  t.is(report(paused.next, [...upgraded, podOf(paused.old, 'w')]).etaSeconds, undefined);
});

test('pods that a partition keeps are not waited for', (t) => {
  const { old, next } = cold({ partition: 2, maxUnavailable: 1 });
  const pods = (count: number): Pod[] => [
    ...podsOf(next, 4).map((pod) => upgradedAt(pod, seconds(40))),
    ...Array.from({ length: count }, (_, index) => podOf(old, `w${index}`)),
  ];
  t.is(report(next, pods(3)).etaSeconds, 10);
  t.like(report(next, pods(2)), { state: 'Partition', goesOn: false, etaSeconds: undefined });
});

test('a hot rollout: each phase of the agent is one', (t) => {
  const old = setWith('side:1', { hot: true });
  const next = observed(setWith('side:2', { hot: true, strategy: { maxUnavailable: '100%', failureThreshold: 2 } }));
  const subject = subjectOf(next, []);
  const { hash: revision } = subject;
  const granted = (name: string): Pod => {
    const pod = podOf(old, name);
    return withAnnotation(pod, grantKey, printGrants(new Map([['s', grantOf(pod, subject, { now })]])));
  };
  const pods = [
    podOf(old, 'next'),
    granted('granted'),
    withRecord(granted('pulling'), { phase: 'Pulling', revision }),
    withRecord(podOf(next, 'upgrading'), { phase: 'Upgrading', revision }),
    withRecord(podOf(next, 'soaking'), { phase: 'Upgrading', revision }, { before: 'another' }),
    withRecord(podOf(next, 'resetting'), { phase: 'Resetting', revision, emptied: ['side-1'] }),
    withRecord(podOf(old, 'rolling'), { phase: 'RollingBack', revision }),
    podOf(next, 'done'),
  ];
  const found = new Map(report(next, pods).underWay.map(({ name, phase }) => [name, phase]));
  t.is(found.get('granted'), 'granted');
  t.is(found.get('pulling'), 'pulling');
  t.is(found.get('upgrading'), 'upgrading');
  t.is(found.get('soaking'), 'soaking');
  t.is(found.get('rolling'), 'rollingBack');
  t.is(report(next, pods).phases.updated, 2, 'also one that is reset, of which the empty copy runs');
  t.is(report(next, pods).phases.waiting, 1);
});

const failedSet = (name = 's'): SidecarSet => {
  const set = setWith('side:2', { hot: true });
  return observed({ ...set, metadata: { ...set.metadata, name } }, [
    condition('Progressing', 'False', 'Halted', '5 of 7 pods are updated, 5 of them ready; 1 wait'),
    condition('Halted', 'True', 'FailureThreshold', '1 pods failed, the threshold is 1'),
    condition('Degraded', 'True', 'Failed', '1 pods failed and were rolled back'),
  ]);
};
function failedPods(name = 's'): Pod[] {
  const set = failedSet(name);
  const old = { ...setWith('side:1', { hot: true }), metadata: { ...setWith('side:1', { hot: true }).metadata, name } };
  const { hash: revision } = subjectOf(set, []);
  const record = { phase: 'Failed' as const, revision, result: 'failed' as const, sidecars: {} };
  const failure = { reason: 'Crashed' as const, message: 'exited with 1' };
  return [
    ...podsOf(set, 5),
    withRecord(podOf(old, 'web-5', { node: 'node-2' }), { ...record, ...failure }, { set: name }),
    podOf(old, 'web-6'),
  ];
}

test('failed pods are told with their reasons, why all stands still, and what to do, as the page shows it', (t) => {
  const made = report(failedSet('proxy'), failedPods('proxy'));
  t.like(made, { state: 'Halted', goesOn: false, needsAttention: true, halted: { failed: 1, threshold: 1 } });
  t.deepEqual(
    made.troubles.map(({ name, phase }) => [name, phase]),
    [['web-5', 'failed']],
  );
  t.true(page.includes(`\n\`\`\`\n${drawSet(made, { columns: 118 }).join('\n')}\n\`\`\`\n`), drawSet(made).join('\n'));
});

test('pods that need new pods are trouble too', (t) => {
  const { old, next } = cold();
  const made = report(next, [withAnnotation(podOf(old, 'p'), hashWithoutImageKey, '{}')]);
  t.like(made, { state: 'NothingToDo', needsAttention: true, phases: { notUpgradable: 1 } });
  t.regex(made.next.join(), /kubectl rollout restart/);
});

test('the page has a row for each phase, and for each field of the JSON', (t) => {
  const rows = [...page.matchAll(/^\| (`[^|]+`) +\|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
  );
  const { old, next } = cold();
  const upgraded = podsOf(next, 3).map((pod) => upgradedAt(pod, seconds(9)));
  const all = { ...report(failedSet(), failedPods()), ...report(next, [...upgraded, podOf(old, 'w')]) };
  t.deepEqual(rows.sort(), [...phases, ...Object.keys(all)].sort());
});

test('what it draws fits the terminal: nothing is wider, nothing is longer, no control character goes through', (t) => {
  const made = report(failedSet(), failedPods());
  const [trouble] = made.troubles;
  const many = trouble ? Array.from({ length: 9 }, () => ({ ...trouble, reason: 'said \u001b[2J\n' })) : [];
  for (const columns of [10, 40, 80]) {
    for (const rows of [1, 5, 12, 24]) {
      const lines = drawSet({ ...made, troubles: many }, { columns, rows });
      t.true(lines.length <= rows && lines.every(({ length }) => length <= columns), lines.join('\n'));
      // They are what must not be there.
      // eslint-disable-next-line no-control-regex
      t.false(lines.some((line) => /[\x00-\x1f]/.test(line)));
    }
  }
  const all = drawSet({ ...made, troubles: many }, { columns: 200 }).length;
  const shown = drawSet({ ...made, troubles: many }, { columns: 200, rows: all - 3 });
  t.is(shown.length, all - 3);
  t.true(shown.includes('  and 4 more'), shown.join('\n'));
});

test('a table of all sets, as the page shows it', (t) => {
  const { old, next } = cold();
  const pods = [...podsOf(next, 3).map((pod) => upgradedAt(pod, seconds(600))), podOf(old, 'w')];
  const other = { ...report(next, pods), name: 'other' };
  const lines = drawSets([other, report(failedSet('proxy'), failedPods('proxy'))]);
  t.true(page.includes(`\`\`\`\n${lines.join('\n')}\n\`\`\`\n`), lines.join('\n'));
  t.deepEqual(drawSets([]), ['there are no SidecarSets']);
});

test('what a rollout rests on is told with the command that lets it go on', (t) => {
  const rest = (strategy: UpdateStrategy): [string, string] => {
    const { old, next } = cold(strategy);
    const made = report(next, [podOf(old, 'w')]);
    return [made.state, made.next.join()];
  };
  t.deepEqual(rest({ paused: true }), [
    'Paused',
    `go on with kubectl patch sidecarset s --type merge --patch '{"spec":{"updateStrategy":{"paused":false}}}'`,
  ]);
  t.regex(rest({ partition: 1 })[1], /"partition":0/);
  t.regex(rest({ type: 'NotUpdate' })[1], /"type":"RollingUpdate"/);
});

test('a controller that has not seen the set is told, and waited for', (t) => {
  const set = setWith('side:1');
  const made = report(set, podsOf(set, 1));
  t.like(made, { state: 'Complete', observed: false, goesOn: true });
  t.regex(made.next.join(), /has not seen generation 3/);
});

test('that nobody takes grants is known to the controller alone, and believed', (t) => {
  const old = setWith('side:1', { hot: true });
  const next = observed(setWith('side:2', { hot: true }), [
    condition('Progressing', 'False', 'NothingToDo', 'the others are not for this rollout'),
    condition('Degraded', 'True', 'NoAgent', '1 pods have a node whose agent takes no grants'),
  ]);
  const made = report(next, [podOf(old, 'w')]);
  t.like(made, { state: 'NothingToDo', goesOn: false, needsAttention: true });
  t.regex(made.next.join(), /component=agent/);
});

test('durations as people say them', (t) => {
  t.deepEqual([1, 99, 100, 3600, 7500].map(durationOf), ['1 s', '99 s', '2 min', '60 min', '2 h 5 min']);
});
