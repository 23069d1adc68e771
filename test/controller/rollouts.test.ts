import test, { type ExecutionContext } from 'ava';
import { grantKey, resumeKey } from '../../api/pod-contract.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { pods, sidecarSets } from '../../cluster/resource.ts';
import { until } from '../helpers/processes.ts';
import {
  clusterWithAdmission,
  getSet,
  imagesOf,
  makePods,
  makeSurroundings,
  setNodeReady,
  startController,
  startKubelet,
  untilSet,
  type WirePod,
  type WireSet,
} from './system.ts';

const spec = (image: string, more: Partial<SidecarSet['spec']> = {}): SidecarSet['spec'] => ({
  selector: { matchLabels: { app: 'web' } },
  containers: [{ name: 'side', image }],
  ...more,
});
const hot = (image: string): SidecarSet['spec'] =>
  spec(image, {
    containers: [
      { name: 'side', image, upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty' } },
    ],
  });

async function clusterWith(first: SidecarSet['spec'], count: number): Promise<Cluster> {
  const cluster = clusterWithAdmission();
  await makeSurroundings(cluster);
  await cluster.create<WireSet>(sidecarSets, { metadata: { name: 's' }, spec: first });
  await makePods(cluster, count);
  return cluster;
}

const publish = (cluster: Cluster, change: Partial<SidecarSet['spec']>): Promise<unknown> =>
  cluster.patch(sidecarSets, { name: 's' }, { spec: change });
const side = (image: string): Partial<SidecarSet['spec']> => ({ containers: [{ name: 'side', image }] });
const count = (images: readonly string[], image: string): number => images.filter((one) => one === image).length;
const grantsOf = async (cluster: Cluster): Promise<string[]> =>
  (await cluster.list<WirePod>(pods)).items.flatMap(({ metadata }) => metadata.annotations?.[grantKey] ?? []);

/** Records the most pods that were down at any moment, from a watch of its own. */
async function watchDown(t: ExecutionContext, cluster: Cluster): Promise<{ most: () => number }> {
  const over = new AbortController();
  t.teardown(() => over.abort());
  const { items, resourceVersion } = await cluster.list<WirePod>(pods);
  const down = new Set<string>();
  let most = 0;
  const see = ({ metadata, spec: podSpec, status }: WirePod): void => {
    const image = podSpec?.containers.find(({ name }) => name === 'side')?.image;
    const shown = status?.containerStatuses?.find(({ name }) => name === 'side');
    if (shown?.image === image && shown?.ready) down.delete(metadata.name ?? '');
    else down.add(metadata.name ?? '');
    most = Math.max(most, down.size);
  };
  items.forEach(see);
  void (async () => {
    for await (const event of cluster.watch<WirePod>(pods, { resourceVersion, signal: over.signal })) {
      if (event.type === 'MODIFIED') see(event.object);
    }
  })();
  return { most: () => most };
}

test('a cold rollout runs to its end by events alone, never with more pods down than allowed', async (t) => {
  const cluster = await clusterWith(spec('side:1', { updateStrategy: { maxUnavailable: 3 } }), 20);
  await startKubelet(t, cluster, { delay: 5 });
  const controller = await startController(t, cluster);
  await untilSet(cluster, 'all are ready', (status) => status.readyPods === 20);
  const down = await watchDown(t, cluster);
  await publish(cluster, side('side:2'));
  await untilSet(cluster, 'all are updated', (status) => status.updatedReadyPods === 20);
  t.is(count(await imagesOf(cluster), 'side:2'), 20);
  t.true(down.most() >= 1 && down.most() <= 3, `${down.most()}`);
  t.deepEqual(controller.failures, []);
  await untilSet(cluster, 'the condition says so', ({ conditions = [] }) =>
    conditions.some(({ type, reason }) => type === 'Progressing' && reason === 'Complete'),
  );
});

test('the leader stops in the middle, and another one finishes', async (t) => {
  const cluster = await clusterWith(spec('side:1', { updateStrategy: { maxUnavailable: 2 } }), 20);
  await startKubelet(t, cluster, { delay: 10 });
  const first = await startController(t, cluster);
  await untilSet(cluster, 'all are ready', (status) => status.readyPods === 20);
  const down = await watchDown(t, cluster);
  await publish(cluster, side('side:2'));
  await until('some are done', async () => count(await imagesOf(cluster), 'side:2') >= 4);
  await first.stop();
  t.true(count(await imagesOf(cluster), 'side:2') < 20);
  await startController(t, cluster);
  await untilSet(cluster, 'all are updated', (status) => status.updatedReadyPods === 20);
  t.true(down.most() <= 2, `${down.most()}`);
});

test('a pause is in force at once, also in the middle of a great step', async (t) => {
  const cluster = await clusterWith(spec('side:1', { updateStrategy: { maxUnavailable: '100%' } }), 60);
  await startKubelet(t, cluster);
  const slow: Cluster = {
    ...cluster,
    async patch(resource, ...rest) {
      if (resource === pods) await new Promise((resolve) => setTimeout(resolve, 20));
      return cluster.patch(resource, ...rest);
    },
  };
  await startController(t, slow, 2);
  await untilSet(cluster, 'all are ready', (status) => status.readyPods === 60);
  await publish(cluster, side('side:2'));
  await until('some are done', async () => count(await imagesOf(cluster), 'side:2') >= 4);
  await publish(cluster, { updateStrategy: { paused: true } });
  const done = count(await imagesOf(cluster), 'side:2');
  await untilSet(cluster, 'it says that it is paused', ({ conditions = [] }) =>
    conditions.some(({ type, reason }) => type === 'Progressing' && reason === 'Paused'),
  );
  t.true(count(await imagesOf(cluster), 'side:2') <= done + 4);
  await publish(cluster, { ...side('side:3'), updateStrategy: { paused: false } });
  await untilSet(cluster, 'the fixed image is everywhere', (status) => status.updatedReadyPods === 60);
  t.is(count(await imagesOf(cluster), 'side:3'), 60);
});

test('a grant is taken back when its node goes, and when its set does', async (t) => {
  const cluster = await clusterWith(hot('side:1'), 2);
  await startKubelet(t, cluster);
  await startController(t, cluster);
  await untilSet(cluster, 'all are ready', (status) => status.readyPods === 2);
  await publish(cluster, hot('side:2'));
  await until('one is granted', async () => (await grantsOf(cluster)).length === 1);
  await setNodeReady(cluster, 'node-1', false);
  await until('it is taken back', async () => (await grantsOf(cluster)).length === 0);
  await setNodeReady(cluster, 'node-1', true);
  await until('one is granted again', async () => (await grantsOf(cluster)).length === 1);
  await cluster.delete(sidecarSets, { name: 's' });
  await until('nothing is granted', async () => (await grantsOf(cluster)).length === 0);
  t.pass();
});

test('a set that is resumed by its annotation is looked at, though its generation stays', async (t) => {
  const cluster = await clusterWith(hot('side:1'), 1);
  await startKubelet(t, cluster);
  const { plans } = await startController(t, cluster);
  await untilSet(cluster, 'it is ready', (status) => status.readyPods === 1);
  await publish(cluster, hot('side:2'));
  await until('it is granted', async () => (await grantsOf(cluster)).length === 1);
  const [before = ''] = await grantsOf(cluster);
  await cluster.patch(sidecarSets, { name: 's' }, { metadata: { annotations: { [resumeKey]: 'again' } } });
  await until('another try is granted', async () => !(await grantsOf(cluster)).includes(before));
  t.is(plans.get('s')?.pods[0]?.verdict, 'grant');
});

test('what stands still writes nothing', async (t) => {
  const cluster = await clusterWith(spec('side:1'), 5);
  await startKubelet(t, cluster);
  await startController(t, cluster);
  await untilSet(cluster, 'all are ready', (status) => status.readyPods === 5);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const before = (await cluster.list(pods)).resourceVersion;
  await setNodeReady(cluster, 'node-1', true);
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.is((await getSet(cluster)).status?.readyPods, 5);
  t.is((await cluster.list(pods)).resourceVersion, before);
});

test('a status that somebody else wrote is made good', async (t) => {
  const cluster = await clusterWith(spec('side:1'), 3);
  await startController(t, cluster);
  await untilSet(cluster, 'it has a status', ({ matchedPods }) => matchedPods === 3);
  const status = { matchedPods: 99, injectedRevision: 'none', conditions: [] };
  await cluster.patch(sidecarSets, { name: 's' }, { status }, { subresource: 'status' });
  await untilSet(cluster, 'it is true again', ({ matchedPods }) => matchedPods === 3);
  const after = (await getSet(cluster)).status;
  t.is(after?.injectedRevision, undefined);
  t.is(after?.conditions?.length, 3);
});
