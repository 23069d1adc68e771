import test from 'ava';
import type { Namespace, Pod } from '../../api/kubernetes.ts';
import { injectedLabel } from '../../api/pod-contract.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { createMemoryCluster } from '../../cluster/memory/cluster.ts';
import { namespaces, pods } from '../../cluster/resource.ts';
import { countPod, takeCensus, type CensusContext, type Counted } from '../../controller/census.ts';
import { podOf, setWith } from './rollout/scene.ts';

const set = (name = 's', createdAt = '2025-01-01T00:00:00Z'): SidecarSet => {
  const made = setWith('side:1');
  return { ...made, metadata: { ...made.metadata, name, creationTimestamp: createdAt } };
};
const context = (...sidecarSets: SidecarSet[]): CensusContext => ({
  sidecarSets,
  namespaces: [{ metadata: { name: 'default' } }],
  excluded: new Set(['kube-system']),
});
const count = (pod: Pod, { namespaces: known, ...others }: CensusContext): Counted =>
  countPod(pod, { ...others, namespace: known.find(({ metadata }) => metadata?.name === pod.metadata?.namespace) });
const injected = podOf(set(), 'p');
const bare: Pod = { metadata: { ...injected.metadata, annotations: {} }, spec: { containers: [] } };

test('a pod with sidecars and without the label is one that OpenKruise injected', (t) => {
  t.deepEqual(count(injected, context(set())), { unlabelled: true, missed: [] });
  const labelled = { ...injected, metadata: { ...injected.metadata, labels: { app: 'web', [injectedLabel]: 'true' } } };
  t.deepEqual(count(labelled, context(set())), { unlabelled: false, missed: [] });
  t.deepEqual(count({ ...injected, status: { phase: 'Succeeded' } }, context(set())).unlabelled, false);
});

test('a pod that matches and was not injected missed the set, unless nothing should have been injected', (t) => {
  t.deepEqual(count(bare, context(set(), set('t'))).missed, ['s', 't']);
  t.deepEqual(count(injected, context(set(), set('t'))).missed, ['t']);
  t.deepEqual(count(bare, context(set('s', '2026-02-01T00:00:00Z'))).missed, [], 'the set came later');
  const paused = set();
  paused.spec.injectionStrategy = { paused: true };
  t.deepEqual(count(bare, context(paused)).missed, []);
  const system = { ...bare, metadata: { ...bare.metadata, namespace: 'kube-system' } };
  t.deepEqual(count(system, context(set())).missed, []);
  const plane = { metadata: { name: 'default', labels: { 'control-plane': '' } } };
  t.deepEqual(count(bare, { ...context(set()), namespaces: [plane] }).missed, []);
  t.deepEqual(count({ metadata: { ...bare.metadata, labels: {} } }, context(set())).missed, []);
  t.deepEqual(count({ ...bare, status: { phase: 'Failed' } }, context(set())).missed, []);
  t.deepEqual(count({ metadata: { ...bare.metadata, deletionTimestamp: 'now' } }, context(set())).missed, []);
});

test('all pods are looked at, page by page, and labelled once', async (t) => {
  const cluster = createMemoryCluster();
  await cluster.create(namespaces, { metadata: { name: 'default' } });
  for (let index = 0; index < 7; index++) {
    const { metadata, spec } = index < 4 ? podOf(set(), `p${index}`) : bare;
    await cluster.create(pods, {
      metadata: {
        namespace: 'default',
        name: `p${index}`,
        labels: metadata?.labels,
        annotations: metadata?.annotations,
      },
      spec: { ...spec, containers: [{ name: 'main', image: 'x' }] },
    });
  }
  const options = { signal: new AbortController().signal, pageSize: 2 };
  const first = await takeCensus(cluster, () => context(set()), options);
  t.deepEqual(first, { pods: 7, labelled: 4, missed: new Map([['s', 3]]) });
  const query = { labels: { matchLabels: { [injectedLabel]: 'true' } } };
  t.is((await cluster.list(pods, query)).items.length, 4);
  t.is((await takeCensus(cluster, () => context(set()), options)).labelled, 0);
  const aborted = { signal: AbortSignal.abort(), pageSize: 2 };
  t.is((await takeCensus(cluster, () => context(set()), aborted)).pods, 2, 'it stops when told');
});

test('no page holds the process up for long: fifty pods, and what is looked up for them takes no time of its own', async (t) => {
  const memory = createMemoryCluster();
  await memory.create(namespaces, { metadata: { name: 'default' } });
  for (let index = 0; index < 250; index++) {
    await memory.create(pods, {
      metadata: { namespace: 'default', name: `p${index}`, labels: { app: 'web' } },
      spec: { containers: [{ name: 'main', image: 'x' }] },
    });
  }
  const limits: (number | undefined)[] = [];
  const cluster: Cluster = {
    ...memory,
    list(resource, query) {
      limits.push(query?.limit);
      return memory.list(resource, query);
    },
  };
  let reads = 0;
  const namespaceOf = (name: string): Namespace => ({
    get metadata() {
      reads += 1;
      return { name };
    },
  });
  const known = context(set());
  const many = [...Array.from({ length: 100 }, (_, index) => namespaceOf(`n${index}`)), namespaceOf('default')];
  const { signal } = new AbortController();
  const { missed } = await takeCensus(cluster, () => ({ ...known, namespaces: many }), { signal });
  t.is(missed.get('s'), 250);
  t.deepEqual(limits, [50, 50, 50, 50, 50]);
  t.true(reads < 2 * (limits.length * many.length + 250), `namespaces were read ${reads} times`);
});
