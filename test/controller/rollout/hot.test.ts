import test from 'ava';
import { decide } from '../../../agent/hot-upgrade/decide.ts';
import { attemptOf, printGrants, readGrants, type Grant } from '../../../api/grant.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { grantKey, hashKey, inPlaceStateKey, resumeKey, upgradeKey, workingKey } from '../../../api/pod-contract.ts';
import type { SidecarSet, UpdateStrategy } from '../../../api/sidecar-set.ts';
import type { RecordedPhase, UpgradeRecord } from '../../../api/upgrade-record.ts';
import { factsOf, wellFormed } from '../../../controller/rollout/facts.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';
import type { Plan } from '../../../controller/rollout/plan.ts';
import {
  afterWrites,
  EMPTY,
  now,
  planOf,
  podOf,
  podsOf,
  setWith,
  verdictOf,
  withAnnotation,
  withRecord,
  written,
} from './scene.ts';

const v1 = setWith('side:1', { hot: true });
const v2 = (strategy: UpdateStrategy = {}, annotations: Record<string, string> = {}): SidecarSet =>
  setWith('side:2', { hot: true, strategy, annotations });
/** Both copies' images had this ID before the last change. */
const recorded =
  '{"s":{"revision":"r","updateTimestamp":null,"lastContainerStatuses":{"side-2":{"imageID":"id/same"}}}}';
const v3 = setWith('side:3', { hot: true });
const attempt = (set: SidecarSet): string =>
  attemptOf(set.metadata.annotations?.[hashKey] ?? '', set.metadata.annotations?.[resumeKey]);

const names = (writes: Plan['grant']): string[] => writes.map(({ name }) => name);
const grantsOf = (pod: Pod): Map<string, Grant> => wellFormed(readGrants(pod.metadata?.annotations?.[grantKey]));

/** Pods with the grants that the plan gives. */
const granted = (set: SidecarSet, pods: Pod[]): Pod[] => afterWrites(pods, planOf(set, pods).grant);

/** A pod whose agent is at work on this set. */
const at = (phase: RecordedPhase, set: SidecarSet, pod: Pod): Pod => withRecord(pod, { phase, revision: attempt(set) });

/** The pod after its agent's next write. */
function changed(pod: Pod, time: number): Pod {
  const { step } = decide({ pod, now: time, stateFiles: new Map(), mayStart: true }, { firstLookAt: now });
  return step.do === 'patch' ? written(pod, { ...step, namespace: 'default', name: 'p0' }) : pod;
}

/** A pod of which both copies run: the new image in `-2`, which works. */
function halfUpgraded(set: SidecarSet, name: string): Pod {
  const pod = podOf(set, name, {
    annotations: {
      [workingKey]: '{"side":"side-2"}',
      'version.sidecarset.kruise.io/side-2': '200',
      'versionalt.sidecarset.kruise.io/side-1': '200',
    },
  });
  const images: Record<string, string> = { 'side-1': 'side:1', 'side-2': set.spec.containers?.[0]?.image ?? '' };
  const containers = pod.spec?.containers.map((found) => ({
    ...found,
    image: images[found.name] ?? found.image ?? '',
  }));
  return { ...pod, spec: { ...pod.spec, containers: containers ?? [] } };
}

/** A pod of which the new copy serves and the old one drains. */
const soakingOf = (set: SidecarSet, name: string): Pod =>
  withRecord(halfUpgraded(set, name), { phase: 'Upgrading', revision: attempt(set) }, { before: 'empty' });

test('a pod whose hot image changes is granted to its agent, with all that the agent needs', (t) => {
  const pod = podOf(v1, 'p0');
  const set = v2({}, { [resumeKey]: '1' });
  set.spec.patchPodMetadata = [{ annotations: { team: 'net' }, patchPolicy: 'Overwrite' }];
  const planned = planOf(set, [pod]);
  t.deepEqual([planned.upgrade, names(planned.grant)], [[], ['p0']]);
  t.is(planned.grant[0]?.resourceVersion, '100');
  const [write] = planned.grant;
  const hash = set.metadata.annotations?.[hashKey] ?? '';
  t.deepEqual(write && grantsOf(written(pod, write)).get('s'), {
    v: 1,
    revision: `${hash}/1`,
    hash,
    controllerRevision: 's-new',
    version: '200',
    sidecarList: ['side'],
    sidecars: {
      side: {
        image: 'side:2',
        emptyImage: EMPTY,
        migrationTimeoutSeconds: 300,
        drainTimeoutSeconds: 600,
        soakSeconds: 2,
        rollback: 'Automatic',
      },
    },
    podAnnotations: { team: 'net' },
    grantedAt: '2026-01-02T03:04:05Z',
  });
});

test('a grant that nobody has claimed holds its place', (t) => {
  const set = v2({ maxUnavailable: 2 });
  const pods = granted(set, podsOf(v1, 5));
  const again = planOf(set, pods);
  t.deepEqual([again.grant, again.withdraw], [[], []]);
  t.is(again.pods.filter(({ verdict }) => verdict === 'grant').length, 2);
  t.is(again.pods.filter(({ reason }) => reason.startsWith('maxUnavailable')).length, 3);
});

test('unclaimed grants come first, also when the order has changed since', (t) => {
  const set = v2({ maxUnavailable: 1 });
  const [first, second] = granted(set, podsOf(v1, 2)) as [Pod, Pod];
  const again = planOf(set, [second, first]);
  t.deepEqual([again.grant, again.withdraw], [[], []]);
});

test('maxUnavailable counts Upgrading and RollingBack; Soaking pods serve; a grant at Pulling holds its place', (t) => {
  const set = v2({ maxUnavailable: 2, failureThreshold: 2 });
  const free = (pod: Pod): number => planOf(set, [pod, ...podsOf(v1, 4).slice(1)]).grant.length;
  t.is(free(at('Upgrading', set, podOf(v1, 'p0'))), 1);
  t.is(free(at('RollingBack', set, podOf(v1, 'p0'))), 1);
  const [pulling] = granted(set, [podOf(v1, 'p0')]) as [Pod];
  t.is(free(at('Pulling', set, pulling)), 1);
  const soaking = soakingOf(set, 'p0');
  t.regex(verdictOf(planOf(set, [soaking])), /Soaking/);
  t.is(free(soaking), 2);
  t.is(free({ ...soaking, status: { ...soaking.status, conditions: [{ type: 'Ready', status: 'False' }] } }), 1);
});

test('what OpenKruise left half upgraded counts as OpenKruise counts it, and is given to the agent to end', (t) => {
  const set = v2({ maxUnavailable: 1, partition: '100%' });
  const planned = planOf(set, [halfUpgraded(set, 'p0'), podOf(v1, 'p1')]);
  t.deepEqual(names(planned.grant), ['p0']);
  t.like(planned.status, { updatedPods: 1, readyPods: 1, updatedReadyPods: 0 });
  t.deepEqual(
    planOf({ ...set, spec: { ...set.spec, updateStrategy: { paused: true } } }, [halfUpgraded(set, 'p0')]).grant,
    [],
  );
  const other = planOf(v2({ maxUnavailable: 1 }), [halfUpgraded(v2(), 'p0'), podOf(v1, 'p1')]);
  t.regex(verdictOf(other, 'p1'), /waiting: maxUnavailable: 1 of 1/);
});

test('a pod is left to its agent until the agent is done', (t) => {
  const [pod] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  for (const phase of ['Pulling', 'Upgrading', 'RollingBack'] as const) {
    const planned = planOf(v2(), [at(phase, v2(), pod)]);
    t.is(verdictOf(planned), `upgrading: the agent is at ${phase}`);
    t.deepEqual([planned.grant, planned.withdraw], [[], []]);
  }
});

test('a newer publish goes into a copy that does not serve yet; otherwise the agent ends what it began', (t) => {
  const pod = podOf(v1, 'p0');
  t.deepEqual(names(planOf(v3, [at('Upgrading', v2(), pod)]).grant), ['p0']);
  t.deepEqual(names(planOf(v3, [at('Pulling', v2(), pod)]).grant), ['p0']);
  t.regex(verdictOf(planOf(v3, [at('RollingBack', v2(), pod)])), /first ends an earlier upgrade \(RollingBack\)/);
  const soaking = soakingOf(v2(), 'p0');
  t.regex(verdictOf(planOf(v3, [soaking])), /first ends an earlier upgrade \(Soaking\)/);
});

test('a newer publish and a revert reach a pod whose hook hangs, or failed and was left so', (t) => {
  const [granting] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  // The agent's patch; of the new container nothing is seen until its postStart hook returns.
  const hanging = changed(granting, now + 1000);
  t.is(hanging.spec?.containers.find(({ name }) => name === 'side-2')?.image, 'side:2');
  t.is(verdictOf(planOf(v2(), [hanging])), 'upgrading: the agent is at Upgrading');
  const record = { revision: attempt(v2()), result: 'failed', reason: 'DeadlineExceeded' } as const;
  for (const pod of [hanging, withRecord(hanging, { ...record, phase: 'Failed' })]) {
    t.is(verdictOf(planOf(v3, [pod])), 'grant: granted to its agent: side');
    t.is(verdictOf(planOf(v1, [pod])), 'grant: granted to its agent: side');
  }
  const bare = structuredClone(hanging);
  delete bare.metadata?.annotations?.[upgradeKey];
  t.is(verdictOf(planOf(v3, [bare])), 'upgrading: container side-2 has not finished its last change');
});

test('unclaimed grants are taken back on pause, and replaced or taken back on a newer publish', (t) => {
  const pods = granted(v2({ maxUnavailable: 2 }), podsOf(v1, 2));
  t.deepEqual(names(planOf(v2({ paused: true }), pods).withdraw), ['p0', 'p1']);
  t.deepEqual(names(planOf(v2({ type: 'NotUpdate' }), pods).withdraw), ['p0', 'p1']);
  const newer = planOf(v3, pods);
  t.deepEqual([names(newer.grant), names(newer.withdraw)], [['p0'], ['p1']]);
  const [taken] = afterWrites(pods, planOf(v2({ paused: true }), pods).withdraw);
  t.false(Object.hasOwn(taken?.metadata?.annotations ?? {}, grantKey));
});

test('at Pulling nothing of the pod is changed: its grant is taken back like one that nobody took', (t) => {
  const [granting] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  const pod = at('Pulling', v2(), granting);
  const withdrawn = (set: SidecarSet, context = {}, pods = [pod]): [string[], string] => {
    const planned = planOf(set, pods, context);
    t.deepEqual(planned.grant, []);
    return [names(planned.withdraw), verdictOf(planned)];
  };
  t.deepEqual(withdrawn(v1), [['p0'], 'updated: it is up to date and ready']);
  t.deepEqual(withdrawn(v2({ paused: true })), [['p0'], 'waiting: the rollout is paused']);
  t.deepEqual(withdrawn(setWith('side:3', { hot: true, strategy: { paused: true } })), [
    ['p0'],
    'waiting: the rollout is paused',
  ]);
  t.deepEqual(withdrawn(v2(), { notReadyNodes: new Set(['n1']) }), [['p0'], 'waiting: node n1 is not Ready']);
  const failed = at('Failed', v2(), podOf(v1, 'p1'));
  t.deepEqual(withdrawn(v2(), {}, [pod, failed]), [['p0'], 'waiting: halted: 1 pods failed, the threshold is 1']);
  const kept = [[], 'upgrading: the agent is at Pulling'];
  t.deepEqual(withdrawn(v2(), { now: now + 400_000 }), kept, 'an agent is there');
  t.deepEqual(withdrawn(v2(), { noAgent: new Set(['default/p0']) }), kept);
});

test('a claimed grant is not taken back: its agent goes on from what it has', (t) => {
  const [pod] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  t.deepEqual(planOf(v2({ paused: true }), [at('Upgrading', v2(), pod)]).withdraw, []);
});

test('a grant is taken back when the node is not Ready, and given again later', (t) => {
  const pods = granted(v2(), [podOf(v1, 'p0'), podOf(v1, 'p1', { node: 'n2' })]);
  const planned = planOf(v2(), pods, { notReadyNodes: new Set(['n1']) });
  t.deepEqual([names(planned.withdraw), names(planned.grant)], [['p0'], ['p1']]);
  t.is(verdictOf(planned), 'waiting: node n1 is not Ready');
});

test('a grant that no agent takes within a minute is taken back: no agent, and no place held', (t) => {
  const pods = granted(v2(), [podOf(v1, 'p0'), podOf(v1, 'p1')]);
  t.deepEqual(planOf(v2(), pods, { now: now + 60_000 }).withdraw, []);
  const late = planOf(v2(), pods, { now: now + 60_001 });
  t.is(verdictOf(late), 'noAgent: no agent on node n1 took its grant');
  t.deepEqual([names(late.withdraw), names(late.grant)], [['p0'], ['p1']]);
  const later = planOf(v2(), podsOf(v1, 2), { noAgent: new Set(['default/p0']) });
  t.deepEqual(names(later.grant), ['p1']);
});

test('an agent that is busy with other pods of its node is there: its grants are kept', (t) => {
  const set = v2({ maxUnavailable: 5 });
  const [pod] = granted(set, [podOf(v1, 'p0')]) as [Pod];
  const later = { now: now + 400_000, noAgent: new Set(['default/p9']) };
  const verdictNextTo = (other: Pod): string => verdictOf(planOf(set, [pod, other], later));
  const noAgent = 'noAgent: no agent on node n1 took its grant';
  const kept = 'grant: granted to its agent: side';
  const done = { phase: 'Done', revision: 'x', result: 'done' } as const;
  t.is(verdictNextTo(podOf(v1, 'p1')), noAgent);
  t.is(verdictNextTo(soakingOf(set, 'p1')), kept);
  t.is(verdictNextTo(withRecord(podOf(v1, 'p1'), { phase: 'Upgrading', revision: 'x' }, { set: 'other' })), kept);
  t.is(verdictNextTo(soakingOf(set, 'p9')), kept);
  t.is(verdictNextTo(withRecord(podOf(v1, 'p1'), done)), noAgent, 'long ago');
  t.is(verdictNextTo(withRecord(podOf(v1, 'p1'), { ...done, phaseAt: later.now - 30_000 })), kept);
  t.is(verdictNextTo(withRecord(podOf(v1, 'p1', { node: 'n2' }), { phase: 'Upgrading', revision: 'x' })), noAgent);
});

test('an agent that dies at work holds up neither the grants of its node nor, while its pod is ready, the set', (t) => {
  const set = v2({ maxUnavailable: 1, failureThreshold: 2 });
  const [next] = granted(set, [podOf(v1, 'p1')]) as [Pod];
  const notReady = (pod: Pod): Pod => ({
    ...pod,
    status: { ...pod.status, conditions: [{ type: 'Ready', status: 'False' }] },
  });
  const deadline = now + 300_000;
  for (const phase of ['Upgrading', 'RollingBack'] as const) {
    const left = at(phase, set, podOf(v1, 'p0'));
    const pods = [left, podOf(v1, 'p1', { node: 'n2' })];
    t.deepEqual(names(planOf(set, pods, { now: deadline + 120_000 }).grant), [], 'its agent may be late');
    const late = { now: deadline + 120_001 };
    const planned = planOf(set, pods, late);
    t.regex(verdictOf(planned), new RegExp(`^blocked: the agent on node n1 does not get on: it is at ${phase}`));
    t.deepEqual(names(planned.grant), ['p1']);
    t.deepEqual(names(planOf(set, [notReady(left), ...pods.slice(1)], late).grant), [], 'it is down');
    t.regex(verdictOf(planOf(set, [left, next], late), 'p1'), /^noAgent/, 'a grant of the same node');
    // A newer version reaches it if the agent comes back.
    if (phase === 'Upgrading') t.regex(verdictOf(planOf(v3, [left], late)), /^grant/);
  }
  const [granting] = granted(set, [podOf(v1, 'p0')]) as [Pod];
  const pulling = at('Pulling', set, granting);
  const planned = planOf(set, [pulling], { now: deadline + 120_001 });
  t.deepEqual([verdictOf(planned), names(planned.withdraw)], ['noAgent: no agent on node n1 took its grant', ['p0']]);
  // It drains for ten minutes at the most.
  const soaking = soakingOf(set, 'p0');
  t.is(verdictOf(planOf(set, [soaking], { now: deadline + 720_000 })), 'upgrading: the agent is at Soaking');
  t.regex(verdictOf(planOf(set, [soaking], { now: deadline + 720_001 })), /^blocked/);
  // Another set that is stuck on the pod holds this one's grant no longer.
  const stuck = withRecord(next, { phase: 'Upgrading', revision: 'x' }, { set: 'other' });
  t.regex(verdictOf(planOf(set, [stuck], { now: deadline + 120_000 }), 'p1'), /^grant/);
  t.regex(verdictOf(planOf(set, [stuck], { now: deadline + 120_001 }), 'p1'), /^noAgent/);
});

test('on a node that is not Ready nothing is begun, and what was begun there holds no place', (t) => {
  const set = v2({ maxUnavailable: 1 });
  const dead = { notReadyNodes: new Set(['n1']) };
  const other = podOf(v1, 'p1', { node: 'n2' });
  const claimed = at('Upgrading', set, podOf(v1, 'p0'));
  t.deepEqual(names(planOf(set, [claimed, other]).grant), []);
  const planned = planOf(set, [claimed, other], dead);
  t.deepEqual(names(planned.grant), ['p1']);
  t.is(verdictOf(planned), 'upgrading: node n1 is not Ready; its agent was at Upgrading');
  t.is(planned.withdraw.length, 0);
  // Cold ones likewise.
  const cold = setWith('side:2', { strategy: { maxUnavailable: 1 } });
  const old = setWith('side:1');
  const begun = podOf(cold, 'p0', { ready: false });
  const pods = [begun, podOf(old, 'p1'), podOf(old, 'p2', { node: 'n2' })];
  t.deepEqual(names(planOf(cold, pods).upgrade), []);
  const coldPlan = planOf(cold, pods, dead);
  t.deepEqual(names(coldPlan.upgrade), ['p2']);
  t.is(verdictOf(coldPlan, 'p1'), 'waiting: node n1 is not Ready');
});

test('a grant of an hour ahead, from a clock that was put back, gets its time anew', (t) => {
  const [pod] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  const back = now - 3_600_000;
  const [again] = afterWrites([pod], planOf(v2(), [pod], { now: back }).grant) as [Pod];
  t.is(grantsOf(again).get('s')?.grantedAt, '2026-01-02T02:04:05Z');
  t.deepEqual(planOf(v2(), [again], { now: back }).grant, []);
  t.regex(verdictOf(planOf(v2(), [again], { now: back + 60_001 })), /^noAgent/);
});

test('several sets are upgraded on a pod one after the other', (t) => {
  const busy = withRecord(podOf(v1, 'p0'), { phase: 'Upgrading', revision: 'x' }, { set: 'other' });
  t.is(verdictOf(planOf(v2(), [busy])), 'waiting: SidecarSet other is upgraded first');
  const done = withRecord(podOf(v1, 'p0'), { phase: 'Done', revision: 'x', result: 'done' }, { set: 'other' });
  t.deepEqual(names(planOf(v2(), [done]).grant), ['p0']);
  // Both were granted at the same moment: neither takes its grant back while the other is upgraded.
  const [own] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  const both = withRecord(own, { phase: 'Upgrading', revision: 'x' }, { set: 'other' });
  t.deepEqual(planOf(v2(), [both], { now: now + 400_000 }).withdraw, []);
});

test('with the next grant those go that an agent is done with; open ones of other sets stay', (t) => {
  const [own] = granted(v2(), [podOf(v1, 'p0')]) as [Pod];
  const grant = grantsOf(own).get('s') as Grant;
  const grants = new Map<string, unknown>([
    ['finished', { ...grant, revision: 'x' }],
    ['s', { ...grant, revision: 'old' }],
    ['newer', { v: 2, what: ['ever'] }],
  ]);
  const pod = withRecord(
    withAnnotation(own, grantKey, printGrants(grants)),
    { phase: 'Done', revision: 'x', result: 'done' },
    { set: 'finished' },
  );
  const [write] = planOf(v2(), [pod]).grant;
  const left =
    write && (JSON.parse(written(pod, write).metadata?.annotations?.[grantKey] ?? '') as Record<string, unknown>);
  t.deepEqual(Object.keys(left ?? {}), ['newer', 's'], 'also what cannot be read');
  t.deepEqual(left?.['newer'], { v: 2, what: ['ever'] });
});

test('a failed pod is not tried again for the same revision, unless baton.dev/resume changes', (t) => {
  const failed = withRecord(podOf(v1, 'p0'), {
    phase: 'Failed',
    revision: attempt(v2()),
    result: 'failed',
    reason: 'Crashed',
    message: 'side-2 ended',
  });
  const planned = planOf(v2(), [failed, podOf(v1, 'p1')]);
  t.is(verdictOf(planned), 'failed: Crashed: side-2 ended');
  t.deepEqual([planned.grant, planned.halted], [[], { failed: 1, threshold: 1 }]);
  t.is(verdictOf(planned, 'p1'), 'waiting: halted: 1 pods failed, the threshold is 1');
  const resumed = planOf(v2({}, { [resumeKey]: 'again' }), [failed]);
  t.deepEqual([names(resumed.grant), resumed.halted], [['p0'], undefined]);
  t.deepEqual(names(planOf(v3, [failed]).grant), ['p0'], 'a newer revision');
});

test('a pod that is being rolled back halts the rollout already, and keeps its place', (t) => {
  const record: Partial<UpgradeRecord> = { result: 'failed', emptied: ['side-2'] };
  const failing = withRecord(podOf(v1, 'p0'), { ...record, phase: 'RollingBack', revision: attempt(v2()) });
  const planned = planOf(v2({ maxUnavailable: 2 }), [failing, podOf(v1, 'p1')]);
  t.is(verdictOf(planned), 'upgrading: the agent is at RollingBack');
  t.deepEqual([planned.grant, planned.halted], [[], { failed: 1, threshold: 1 }]);
  t.is(planOf(v3, [failing]).halted, undefined, 'another revision');
});

test('failureThreshold is a number or a share of the matched pods, and 1 at least', (t) => {
  const pods = podsOf(v1, 10).map((pod, index) =>
    index < 2 ? withRecord(pod, { phase: 'Failed', revision: attempt(v2()), result: 'failed' }) : pod,
  );
  const halted = (failureThreshold: number | string): boolean =>
    planOf(v2({ failureThreshold }), pods).halted !== undefined;
  t.deepEqual([0, 2, 3, '20%', '21%', '-5%', 'x'].map(halted), [true, true, false, true, false, true, true]);
});

test('while halted, unclaimed grants of the failing revision are taken back', (t) => {
  const pods = granted(v2({ maxUnavailable: 2 }), podsOf(v1, 2));
  const [first, second] = pods as [Pod, Pod];
  const failed = withRecord(first, { phase: 'Failed', revision: attempt(v2()), result: 'failed' });
  t.deepEqual(names(planOf(v2({ maxUnavailable: 2 }), [failed, second]).withdraw), ['p1']);
});

test('revisions that pods carry are in use; those of upgraded pods that are ready are finished', (t) => {
  const { revisions } = planOf(v2(), [podOf(v1, 'p0'), podOf(v2(), 'p1', { ready: false })]);
  t.is(revisions.inUse.length, 2);
  t.deepEqual(revisions.finished, revisions.inUse.slice(0, 1));
});

test('Q2: another empty image makes pods not upgradable; stable ones stay as they are, and ready', (t) => {
  const set = v2();
  const [side] = set.spec.containers ?? [];
  const changed = setWith('side:1', { hot: true });
  changed.spec.containers = [
    {
      ...side,
      name: 'side',
      image: 'side:1',
      upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'empty:9' },
    },
  ];
  changed.metadata.annotations = { [hashKey]: 'new', 'kruise.io/sidecarset-hash-without-image': 'new' };
  const planned = planOf(changed, podsOf(v1, 3));
  t.deepEqual([planned.grant, planned.upgrade, planned.notUpgradable.length], [[], [], 3]);
  t.like(planned.status, { readyPods: 3, updatedPods: 0 });
});

test('a hot pod on no node has nothing to hand over: its working copy gets the image at once', (t) => {
  const pod = podOf(v1, 'p0', { node: '', ready: false });
  const [write] = planOf(v2(), [pod]).upgrade;
  t.deepEqual(write?.patch[0], { op: 'replace', path: '/spec/containers/0/image', value: 'side:2' });
  t.is(write && verdictOf(planOf(v2(), [written(pod, write)])), 'updated: it is up to date, and not ready yet');
});

test('surprise 14: a pod whose serving copy cannot be told is left alone', (t) => {
  const pod = podOf(v1, 'p0', {
    annotations: { [workingKey]: '{"side":"main"}', 'version.sidecarset.kruise.io/side-2': '1' },
  });
  pod.spec = { ...pod.spec, containers: (pod.spec?.containers ?? []).map(({ name }) => ({ name, image: 'side:1' })) };
  const planned = planOf(v2(), [pod]);
  t.is(verdictOf(planned), 'blocked: nothing tells which copy of side serves');
  t.deepEqual([planned.grant, planned.upgrade], [[], []]);
});

test('a foreign entry of the working annotation that is none leaves the pod with the set', (t) => {
  const working = (text: string): string =>
    verdictOf(planOf(v2(), [withAnnotation(podOf(v1, 'p0'), workingKey, text)]));
  t.is(working('{"side":"side-1","x":5}'), 'grant: granted to its agent: side');
  t.is(working('{"side":5}'), 'grant: granted to its agent: side', 'the images tell which copy serves');
  t.regex(working('{"x":"side-1"}'), /^unmatched: its annotation .* does not say which copy of side works/);
});

test('a hot sidecar without an empty image cannot be granted', (t) => {
  const strip = (set: SidecarSet): SidecarSet => ({
    ...set,
    spec: {
      ...set.spec,
      containers: (set.spec.containers ?? []).map((found) => ({
        ...found,
        upgradeStrategy: { upgradeType: 'HotUpgrade' as const },
      })),
    },
  });
  t.is(verdictOf(planOf(strip(v2()), [podOf(v1, 'p0')])), 'blocked: side has no upgradeStrategy.hotUpgradeEmptyImage');
});

test('an image that is the empty one under another tag counts as there, once its container is another', (t) => {
  // Of an image with two tags the runtime names either.
  const retagged = podOf(v2(), 'p0', { annotations: { [inPlaceStateKey]: recorded } });
  const status = retagged.status?.containerStatuses?.map((one) =>
    one.name === 'side-2' ? { ...one, image: 'side:same', imageID: 'id/same' } : one,
  );
  const pod: Pod = { ...retagged, status: { ...retagged.status, containerStatuses: status ?? [] } };
  const subject = subjectOf(v2(), []);
  const revision = attempt(v2());
  t.false(factsOf(withRecord(pod, { phase: 'Resetting', revision }), subject).isConsistent, 'its life from before');
  t.true(factsOf(withRecord(pod, { phase: 'Resetting', revision }, { before: 'earlier' }), subject).isConsistent);
  t.false(factsOf(withRecord(pod, { phase: 'Resetting', revision: 'x' }, { before: 'earlier' }), subject).isConsistent);
});
