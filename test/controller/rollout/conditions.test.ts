import test from 'ava';
import type { Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet, SidecarSetCondition, UpdateStrategy } from '../../../api/sidecar-set.ts';
import { conditionsOf } from '../../../controller/rollout/conditions.ts';
import { plan, type Context } from '../../../controller/rollout/plan.ts';
import { now, podOf, podsOf, setWith, withRecord } from './scene.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';

interface Case {
  strategy?: UpdateStrategy;
  context?: Partial<Context>;
  missed?: number;
  hot?: boolean;
}

const old = (hot: boolean): SidecarSet => setWith('side:1', { hot });

function stated(pods: readonly Pod[], { strategy = {}, context = {}, missed = 0, hot = false }: Case = {}) {
  const set = setWith('side:2', { strategy, hot });
  const conditions = conditionsOf(set, plan(set, pods, { now, ...context }), { missed, now });
  return Object.fromEntries(conditions.map(({ type, status, reason, message }) => [type, { status, reason, message }]));
}

const oldPods = (count: number, hot = false): Pod[] => podsOf(old(hot), count);
const newPods = (count: number): Pod[] =>
  Array.from({ length: count }, (_, index) => podOf(setWith('side:2'), `n${index}`));

test('a rollout that goes on counts what is done, under way and waiting', (t) => {
  const { Progressing, Halted, Degraded } = stated([...oldPods(3), ...newPods(1)]);
  t.deepEqual(Progressing, {
    status: 'True',
    reason: 'Upgrading',
    message: '1 of 4 pods are updated, 1 of them ready; 1 are being upgraded, 2 wait',
  });
  t.like(Halted, { status: 'False', reason: 'BelowThreshold' });
  t.like(Degraded, { status: 'False', reason: 'AsExpected' });
});

test('why nothing moves is said: complete, paused, partition, NotUpdate; or not ready yet', (t) => {
  const reason = (pods: readonly Pod[], strategy?: UpdateStrategy) =>
    stated(pods, { ...(strategy && { strategy }) })['Progressing'];
  t.like(reason(newPods(2)), { status: 'False', reason: 'Complete' });
  t.like(reason([]), { status: 'False', reason: 'Complete' });
  t.like(reason(oldPods(2), { paused: true }), { status: 'False', reason: 'Paused' });
  t.like(reason(oldPods(2), { type: 'NotUpdate' }), { status: 'False', reason: 'NotUpdate' });
  t.like(reason([...oldPods(2), ...newPods(1)], { partition: 2 }), { status: 'False', reason: 'Partition' });
  t.like(reason([podOf(setWith('side:2'), 'n', { ready: false })]), { status: 'True', reason: 'NotReady' });
  const limited = [podOf(setWith('side:2'), 'n', { ready: false }), ...oldPods(2)];
  t.like(reason(limited, { partition: 1 }), { status: 'True', reason: 'Upgrading' });
});

test('failed pods halt the rollout, and what to do is said', (t) => {
  const { attempt } = subjectOf(setWith('side:2', { hot: true }), []);
  const failed = withRecord(oldPods(1, true)[0] as Pod, { phase: 'Failed', revision: attempt, result: 'failed' });
  const { Progressing, Halted, Degraded } = stated([failed, ...oldPods(2, true)], { hot: true });
  t.like(Progressing, { status: 'False', reason: 'Halted' });
  t.like(Halted, { status: 'True', reason: 'FailureThreshold' });
  t.regex(Halted?.message ?? '', /^1 pods failed, the threshold is 1: .*baton\.dev\/resume/);
  t.like(Degraded, { status: 'True', reason: 'Failed' });
});

test('what only a person can mend is counted, the gravest as the reason', (t) => {
  const { Degraded } = stated(oldPods(3, true), {
    hot: true,
    missed: 2,
    context: { noAgent: new Set(['default/p1']) },
  });
  t.deepEqual(Degraded, {
    status: 'True',
    reason: 'NoAgent',
    message:
      '1 pods have a node whose agent takes no grants; 2 pods match and were never injected: delete them to get the sidecars',
  });
});

test('the time of a condition changes with its status, not with its words', (t) => {
  const set = setWith('side:2');
  const at = (status: Partial<SidecarSetCondition>): string => {
    const conditions = [
      { type: 'Progressing', status: 'True', reason: 'x', message: 'y', lastTransitionTime: 'before', ...status },
    ] as SidecarSetCondition[];
    const stored = { ...set, status: { matchedPods: 0, updatedPods: 0, readyPods: 0, conditions } };
    return conditionsOf(stored, plan(stored, oldPods(2), { now }), { now })[0]?.lastTransitionTime ?? '';
  };
  t.is(at({}), 'before');
  t.is(at({ status: 'False' }), '2026-01-02T03:04:05Z');
});

test('before the first census, what the leader before said of pods without sidecars stays', (t) => {
  const set = setWith('side:2');
  const degraded = (now: number, missed?: number, before: SidecarSetCondition[] = []) => {
    const pods = newPods(2);
    const planned = plan(set, pods, { now });
    const stored = { ...set, status: { ...planned.status, conditions: before } };
    return conditionsOf(stored, planned, { ...(missed !== undefined && { missed }), now });
  };
  const first = degraded(now, 3);
  t.like(first[2], { type: 'Degraded', status: 'True', reason: 'NotInjected' });
  t.deepEqual(degraded(now + 60_000, undefined, first), first);
  t.like(degraded(now + 60_000, 0, first)[2], { status: 'False', reason: 'AsExpected' });
  t.like(degraded(now)[2], { status: 'False', reason: 'AsExpected' });
});
