import test from 'ava';
import type { Pod } from '../../../api/kubernetes.ts';
import { hashKey, hashWithoutImageKey, inPlaceStateKey } from '../../../api/pod-contract.ts';
import { podHashOf } from '../../../api/hash-entry.ts';
import type { SidecarSet, UpdateStrategy } from '../../../api/sidecar-set.ts';
import { vectors } from '../../oracle/corpus.ts';
import { afterWrites, now, planOf, podOf, podsOf, setWith, settled, verdictOf, withAnnotation } from './scene.ts';

const v1 = setWith('side:1');
const v2 = (strategy: UpdateStrategy = {}): SidecarSet => setWith('side:2', { strategy });

/** How many pods each round upgrades until none is, each round's pods being ready again before the next. */
function rounds(set: SidecarSet, pods: readonly Pod[]): { sizes: number[]; pods: Pod[] } {
  const sizes: number[] = [];
  let fleet = [...pods];
  for (;;) {
    const { upgrade } = planOf(set, fleet);
    if (upgrade.length === 0) return { sizes, pods: fleet };
    sizes.push(upgrade.length);
    fleet = afterWrites(fleet, upgrade);
    const again = planOf(set, fleet);
    if (again.upgrade.length > 0) throw new Error(`${again.upgrade.length} more while ${upgrade.length} are not ready`);
    fleet = fleet.map(settled);
  }
}

test('1,000 pods: partition 980 upgrades 20; without it 100 at a time with maxUnavailable 10% (seeds)', (t) => {
  const first = rounds(v2({ partition: 980, maxUnavailable: '10%' }), podsOf(v1, 1000));
  t.deepEqual(first.sizes, [20]);
  const rest = rounds(v2({ maxUnavailable: '10%' }), first.pods);
  t.deepEqual(rest.sizes, [...Array.from({ length: 9 }, () => 100), 80]);
});

test('100 pods, partition 50, maxUnavailable 10: 50 in all, 10 at a time (seeds)', (t) => {
  t.deepEqual(rounds(v2({ partition: 50, maxUnavailable: 10 }), podsOf(v1, 100)).sizes, [10, 10, 10, 10, 10]);
});

test('100 pods, partition 80, maxUnavailable 30: 20 at once (seeds)', (t) => {
  t.deepEqual(rounds(v2({ partition: 80, maxUnavailable: 30 }), podsOf(v1, 100)).sizes, [20]);
});

test('100 pods, partition 90: 10 are upgraded, one by one (seeds)', (t) => {
  t.deepEqual(
    rounds(v2({ partition: 90 }), podsOf(v1, 100)).sizes,
    Array.from({ length: 10 }, () => 1),
  );
});

test('a paused rollout goes on where it stood; only selected pods are upgraded (seeds)', (t) => {
  const pods = [podOf(v1, 'p0'), podOf(v1, 'canary', { labels: { 'canary.release': 'true' } })];
  t.is(verdictOf(planOf(v2({ paused: true }), pods)), 'waiting: the rollout is paused');
  t.is(verdictOf(planOf(v2({ type: 'NotUpdate' }), pods)), 'waiting: updateStrategy.type is NotUpdate');
  const canary = planOf(v2({ selector: { matchLabels: { 'canary.release': 'true' } } }), pods);
  t.deepEqual(
    canary.upgrade.map(({ name }) => name),
    ['canary'],
  );
  t.is(verdictOf(canary), 'notSelected: its labels do not match updateStrategy.selector');
});

interface NextUpgradeCount {
  total: number;
  updated: number;
  updatedAndReady: number;
  maxUnavailable: number | string;
  partition: number | string | null;
  selectorMatches: number | null;
  hashWithoutImageEqual: boolean;
  expectedUpgrade: number;
  expectedNotUpgradable: number;
}

for (const [index, vector] of (vectors('nextUpgradeCount') as NextUpgradeCount[]).entries()) {
  test(`nextUpgradeCount ${index}: ${vector.total} pods`, (t) => {
    const { total, updated, updatedAndReady, maxUnavailable, partition, selectorMatches } = vector;
    const set = v2({
      maxUnavailable,
      ...(partition !== null && { partition }),
      ...(selectorMatches !== null && { selector: { matchLabels: { canary: 'true' } } }),
    });
    const pods = Array.from({ length: total }, (_, at) => {
      const labels: Record<string, string> = at < (selectorMatches ?? 0) ? { canary: 'true' } : {};
      const pod = podOf(at < updated ? set : v1, `p${at}`, { labels, ready: at < updatedAndReady || at >= updated });
      return vector.hashWithoutImageEqual ? pod : withAnnotation(pod, hashWithoutImageKey, '{"s":"other"}');
    });
    const planned = planOf(set, pods);
    t.is(planned.upgrade.length, vector.expectedUpgrade);
    t.is(planned.notUpgradable.length, vector.expectedNotUpgradable);
  });
}

test('coldProcessor: the status of each round', (t) => {
  const { rounds: expected } = vectors('coldProcessor') as { rounds: number[][] };
  const set = setWith('side:2');
  delete set.spec.updateStrategy?.maxUnavailable;
  let pods = podsOf(v1, 2);
  const seen: number[][] = [];
  for (let round = 0; round < expected.length; round++) {
    const { status, upgrade } = planOf(set, pods);
    seen.push([status.matchedPods, status.updatedPods, status.readyPods, status.updatedReadyPods]);
    pods = round % 2 === 0 ? afterWrites(pods, upgrade) : pods.map(settled);
  }
  t.deepEqual(seen, expected);
});

for (const [index, { annotation, set, expected }] of (
  vectors('podRevision') as { annotation: string; set: string; expected: string }[]
).entries()) {
  test(`podRevision ${index}`, (t) => {
    t.is(podHashOf(annotation, set).hash, expected);
  });
}

interface PodMatched {
  podLabels: Record<string, string>;
  podNs: string;
  selector: Record<string, string>;
  nsSelector: Record<string, string> | null;
  namespaces: Record<string, Record<string, string>>;
  expected: boolean;
}

for (const [index, vector] of (vectors('podMatched') as PodMatched[]).entries()) {
  test(`podMatched ${index}`, (t) => {
    const set = v2();
    set.spec.selector = { matchLabels: vector.selector };
    if (vector.nsSelector) set.spec.namespaceSelector = { matchLabels: vector.nsSelector };
    const pod = podOf(v1, 'p0');
    pod.metadata = { ...pod.metadata, namespace: vector.podNs, labels: vector.podLabels };
    const namespaces = Object.entries(vector.namespaces).map(([name, labels]) => ({ metadata: { name, labels } }));
    t.is(planOf(set, [pod], { namespaces }).matched.length === 1, vector.expected);
  });
}

test("every pod that is not the set's gets the reason", (t) => {
  const pod = podOf(v1, 'p0');
  const reasons: [Pod, RegExp][] = [
    [{ ...pod, metadata: { ...pod.metadata, labels: {} } }, /labels do not match spec.selector/],
    [{ ...pod, status: { ...pod.status, phase: 'Failed' } }, /it has ended \(Failed\)/],
    [{ ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }, /being deleted/],
    [{ ...pod, metadata: { ...pod.metadata, annotations: {} } }, /never injected/],
    [{ ...pod, spec: { containers: [{ name: 'main' }] } }, /no container side/],
  ];
  for (const [changed, reason] of reasons) t.regex(verdictOf(planOf(v2(), [changed])), reason);
  const namespaced = { ...v2(), spec: { ...v2().spec, namespaceSelector: { matchLabels: { team: 'x' } } } };
  t.regex(verdictOf(planOf(namespaced, [pod])), /its namespace does not match/);
});

test('Q11: pods that are not ready are upgraded beyond maxUnavailable', (t) => {
  const pods = [podOf(v1, 'p0', { ready: false }), podOf(v1, 'p1', { ready: false }), podOf(v1, 'p2')];
  t.deepEqual(
    planOf(v2({ maxUnavailable: 0 }), pods).upgrade.map(({ name }) => name),
    ['p0', 'p1'],
  );
});

test('Q24: a cold upgrade touches images and annotations alone, of the very pod that was seen', (t) => {
  const [write] = planOf(v2(), [podOf(v1, 'p0')]).upgrade;
  t.is(write?.resourceVersion, '100');
  t.deepEqual(
    write?.patch.map(({ op, path }) => `${op} ${path}`),
    [
      'replace /spec/containers/0/image',
      'add /metadata/annotations/kruise.io~1sidecarset-hash',
      'add /metadata/annotations/kruise.io~1sidecarset-inplace-update-state',
    ],
  );
});

test('Q28: a native sidecar is upgraded in place, and the pod waits for it', (t) => {
  const [old, next] = [setWith('side:1', { native: true }), setWith('side:2', { native: true })];
  const pods = [podOf(old, 'p0'), podOf(old, 'p1')];
  const first = planOf(next, pods);
  t.deepEqual(first.upgrade[0]?.patch[0], { op: 'replace', path: '/spec/initContainers/0/image', value: 'side:2' });
  const [changed] = afterWrites(pods.slice(0, 1), first.upgrade);
  t.is(verdictOf(planOf(next, [changed as Pod, pods[1] as Pod])), 'updated: it is up to date, and not ready yet');
  t.is(planOf(next, [changed as Pod, pods[1] as Pod]).upgrade.length, 0);
});

test('Q5: a write that is not seen yet holds its place, and is forgotten after a minute or with its pod', (t) => {
  const pods = podsOf(v1, 3);
  const set = v2();
  const key = 'default/p1';
  const planned = (resourceVersion: string, at: number): string[] =>
    planOf(set, pods, { written: new Map([[key, { resourceVersion, at }]]), now: 1_000_000 }).upgrade.map(
      ({ name }) => name,
    );
  t.deepEqual(planned('101', 999_000), []);
  t.deepEqual(planned('1000', 999_000), [], 'versions are numbers');
  t.deepEqual(planned('100', 999_000), ['p0'], 'seen');
  t.deepEqual(planned('101', 1_000_000 - 60_001), ['p0'], 'forgotten');
  const gone = planOf(set, pods, { written: new Map([['default/gone', { resourceVersion: '999', at: now }]]) });
  t.is(gone.upgrade.length, 1);
});

test('Q23: the status is right whatever the strategy, and without the pods that are going', (t) => {
  const going = podOf(v1, 'p1');
  going.metadata = { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
  const { status } = planOf(v2({ type: 'NotUpdate' }), [podOf(v1, 'p0'), going, podOf(v2(), 'p2', { ready: false })]);
  t.like(status, { matchedPods: 2, updatedPods: 1, readyPods: 1, updatedReadyPods: 0, observedGeneration: 3 });
});

test('surprise 15: an in-place state that cannot be read is written anew, and does not block the pod', (t) => {
  for (const state of ['', '{bad', 'null', '{"s":7}']) {
    const pod = withAnnotation(podOf(v1, 'p0'), inPlaceStateKey, state);
    const [write] = planOf(v2(), [pod]).upgrade;
    t.truthy(write, state);
    t.true(
      write?.patch.some((operation) => 'value' in operation && /lastContainerStatuses/.test(String(operation.value))),
    );
  }
});

test("surprise 15: while such a pod's containers run another image than its spec says, its change is not done", (t) => {
  const pod = withAnnotation(podOf(v1, 'p0'), inPlaceStateKey, 'y');
  pod.spec = {
    ...pod.spec,
    containers: [
      { name: 'side', image: 'side:9' },
      { name: 'main', image: 'app:1' },
    ],
  };
  t.is(verdictOf(planOf(v2(), [pod])), 'upgrading: container side has not finished its last change');
});

test('Q21: an annotation that patchPodMetadata cannot be merged into keeps its value, and the pod is upgraded', (t) => {
  const set = v2();
  set.spec.patchPodMetadata = [{ annotations: { note: '{"a":1}', team: 'net' }, patchPolicy: 'MergePatchJson' }];
  const pod = withAnnotation(podOf(v1, 'p0'), 'note', 'not JSON');
  const [changed] = afterWrites([pod], planOf(set, [pod]).upgrade);
  t.like(changed?.metadata?.annotations, { note: 'not JSON', team: 'net' });
  t.is(changed?.spec?.containers[0]?.image, 'side:2');
});

test('surprise 4: null in an annotation stops neither the pod nor the plan', (t) => {
  for (const [key, value] of [
    [inPlaceStateKey, '{"s":null}'],
    [inPlaceStateKey, 'null'],
    [hashKey, 'null'],
  ] as const) {
    t.deepEqual(
      planOf(v2(), [withAnnotation(podOf(v1, 'p0'), key, value)]).upgrade.map(({ name }) => name),
      ['p0'],
      `${key}: ${value}`,
    );
  }
  t.is(planOf(v2(), [withAnnotation(podOf(v1, 'p0'), hashWithoutImageKey, 'null')]).notUpgradable.length, 1);
});
