import test from 'ava';
import type { Namespace, Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import { createPodKeeper } from '../../controller/kept-pod.ts';
import { plan } from '../../controller/rollout/plan.ts';
import { oracle } from '../oracle/corpus.ts';
import { podsOf, setWith } from './rollout/scene.ts';

type WirePod = Pod & KubernetesObject;

test('the same is decided on what is kept of a pod as on the whole pod', (t) => {
  const cases = oracle<{ id: string; sidecarSet: SidecarSet; pods: WirePod[]; namespaces?: Namespace[] }>('plan');
  t.true(cases.length > 50);
  for (const { id, sidecarSet, pods, namespaces = [] } of cases) {
    const context = { now: 0, namespaces, controllerRevision: 's-rev', sets: new Set<string>() };
    t.deepEqual(plan(sidecarSet, pods.map(createPodKeeper()), context), plan(sidecarSet, pods, context), id);
  }
});

test('a hot upgrade is granted with the same words', (t) => {
  const pods = podsOf(setWith('side:1', { hot: true }), 3) as WirePod[];
  const set = setWith('side:2', { hot: true, strategy: { maxUnavailable: 2 } });
  const [whole, kept] = [plan(set, pods, { now: 0 }), plan(set, pods.map(createPodKeeper()), { now: 0 })];
  t.is(whole.grant.length, 2);
  t.deepEqual(kept, whole);
});

test('what a rollout has no use for is not kept', (t) => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      managedFields: [{ manager: 'kubectl' }],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'x' },
    },
    spec: { containers: [{ name: 'c', image: 'i', env: [{ name: 'A', value: 'B' }] }], volumes: [{ name: 'v' }] },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      containerStatuses: [
        { name: 'c', image: 'i', imageID: 'x', ready: true, restartCount: 1, state: { running: { startedAt: 'now' } } },
      ],
    },
  } as WirePod;
  t.deepEqual(createPodKeeper()(pod), {
    metadata: { name: 'p', annotations: { mine: 'x' } },
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: {
      phase: 'Running',
      containerStatuses: [
        { name: 'c', image: 'i', imageID: 'x', ready: true, restartCount: 1, state: { running: {} } },
      ],
    },
  } as WirePod);
});
