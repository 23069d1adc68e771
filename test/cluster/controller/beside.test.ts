// OpenKruise's controller begins in the middle of Baton's rollouts, on a real API server: Baton stands aside, and goes on by itself.
import type { Lease } from '../../../api/kubernetes.ts';
import { grantKey, injectedLabel, injectedListKey } from '../../../api/pod-contract.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import { leases, namespaces, pods } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { hotSide, sceneOf, sharedSystem, side, type Scene, type System, type WirePod, type Write } from './system.ts';

/** Slow enough for a rollout to be met in the middle. */
const start = sharedSystem({ kubeletDelay: 300, audit: true });

const manager: WirePod = {
  metadata: {
    namespace: 'default',
    name: 'kruise-controller-manager-0',
    labels: { 'control-plane': 'controller-manager' },
  },
  spec: { containers: [{ name: 'manager', image: 'openkruise/kruise-manager:v1.8.0' }] },
};
const key = { namespace: 'default', name: 'kruise-controller-manager-0' };
const begin = ({ cluster }: System): Promise<unknown> => cluster.create(pods, manager);
const end = ({ cluster }: System): Promise<unknown> => cluster.delete(pods, key, { gracePeriodSeconds: 0 });

const untilAside = ({ replicas: [replica] }: System, aside: boolean): Promise<boolean> =>
  until(`Baton ${aside ? 'stands aside' : 'acts'}`, async () =>
    ((await replica?.page('/metrics'))?.text ?? '').includes(`\nbaton_second_controller ${aside ? 1 : 0}\n`),
  );

const OWN = ['leases', 'events'];
/** What Baton wrote since, once it has lived on for two renewals of its own Lease, 2 s each. */
const writesSince = async ({ writes }: System, since: number): Promise<Write[]> => {
  const from = Date.now();
  await until(
    'its Lease was renewed twice',
    () => writes().filter(({ resource, at }) => resource === 'leases' && at > from).length > 1,
  );
  return writes().filter(({ resource, at, status }) => at > since && status < 300 && !OWN.includes(resource));
};

const midway = async (scene: Scene): Promise<void> => {
  await scene.createSet({ updateStrategy: { maxUnavailable: 2 } });
  await scene.makePods(16);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 16);
  await scene.publish(side('side:2'));
  await until('it is midway', async () => ((await scene.images())['side:2'] ?? 0) >= 4);
};

serialClusterTest(
  'while OpenKruise’s controller runs nothing is written and nothing injected; then all goes on',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    const { system, namespace, name } = scene;
    await midway(scene);
    await begin(system);
    await untilAside(system, true);
    const since = Date.now();
    const images = await scene.images();
    t.true((images['side:1'] ?? 0) > 0, 'it was met in the middle');
    await scene.publish({ ...side('side:3'), updateStrategy: { maxUnavailable: '100%' } });
    // Whom OpenKruise's webhook would inject into: Baton's leaves it to that, but for its own keys.
    const { metadata, spec } = await system.cluster.create<WirePod>(pods, {
      metadata: { namespace, name: 'left', labels: { app: name }, annotations: { [grantKey]: 'forged' } },
      spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'app:1' }] },
    });
    t.deepEqual(
      spec?.containers.map((container) => container.name),
      ['app'],
    );
    t.deepEqual([metadata.annotations?.[injectedListKey], metadata.annotations?.[grantKey]], [undefined, undefined]);
    t.deepEqual(await writesSince(system, since), []);
    t.deepEqual(await scene.images(), { ...images, none: 1 });
    t.not((await scene.getSet()).status?.observedGeneration, (await scene.getSet()).metadata.generation);
    await until('people are told', async () => (await scene.events()).includes('Warning SecondController'));
    t.is((await system.replicas[0]?.page('/readyz'))?.status, 200, 'SidecarSets are still defaulted and checked');

    await end(system);
    await untilAside(system, false);
    await scene.untilSet('it is finished', ({ updatedReadyPods }) => updatedReadyPods === 16, 60_000);
    t.deepEqual(await scene.images(), { 'side:3': 16, none: 1 });
    const logged = system.replicas[0]?.output() ?? '';
    t.regex(logged, /pod default\/kruise-controller-manager-0.*another controller acts on SidecarSets/);
    t.regex(logged, /no other controller acts on SidecarSets any more/);
  },
);

serialClusterTest('grants that nobody has taken are taken back, and given again', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { system } = scene;
  const grants = async (): Promise<number> =>
    (await scene.pods()).filter(({ metadata }) => metadata.annotations?.[grantKey] !== undefined).length;
  await scene.createSet({ ...hotSide('side:1'), updateStrategy: { maxUnavailable: 2 } });
  await scene.makePods(3);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 3);
  await scene.publish(hotSide('side:2'));
  await until('two are granted', async () => (await grants()) === 2);
  await begin(system);
  await until('no agent can take them any more', async () => (await grants()) === 0);
  await end(system);
  await until('they are granted again', async () => (await grants()) === 2);
  t.pass();
});

serialClusterTest('a Lease that is renewed stops Baton too, without any pod, until it has run out', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { system, namespace } = scene;
  const { cluster } = system;
  await cluster.create(namespaces, { metadata: { name: 'kruise-system' } });
  await scene.createSet();
  await scene.makePods(2);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 2);
  const lease = { namespace: 'kruise-system', name: 'kruise-manager' };
  const timestamp = (): string => new Date().toISOString().replace('Z', '000Z');
  await cluster.create<Lease & KubernetesObject>(leases, {
    metadata: lease,
    spec: { holderIdentity: 'm', leaseDurationSeconds: 3, renewTime: timestamp() },
  });
  await untilAside(system, true);
  const since = Date.now();
  // One that the census is to label, later.
  const [{ metadata }] = (await scene.pods()) as [WirePod];
  await cluster.patch(
    pods,
    { namespace, name: metadata.name ?? '' },
    { metadata: { labels: { [injectedLabel]: null } } },
  );
  await scene.publish(side('side:2'));
  const renewing = setInterval(() => void cluster.patch(leases, lease, { spec: { renewTime: timestamp() } }), 500);
  try {
    t.deepEqual(await writesSince(system, since), []);
  } finally {
    clearInterval(renewing);
  }
  await untilAside(system, false);
  await scene.untilSet(
    'both are updated, with the one that lost its label',
    ({ updatedReadyPods }) => updatedReadyPods === 2,
  );
});
