// Hot upgrades: granted by a real controller on a real API server, carried out by the agent's code on nodes of a test kubelet.
import { readGrants } from '../../../api/grant.ts';
import { grantKey, resumeKey, upgradeKey } from '../../../api/pod-contract.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { playAgent } from './played-agent.ts';
import { conditionOf, hotSide, sceneOf, setNodeReady, sharedSystem, type Scene, type WirePod } from './system.ts';

const start = sharedSystem();

const grantsOf = async (scene: Scene): Promise<string[]> =>
  (await scene.pods()).flatMap(({ metadata }) => metadata.annotations?.[grantKey] ?? []);
const untilGrants = (scene: Scene, what: string, count: number): Promise<string[]> =>
  until(what, async () => {
    const grants = await grantsOf(scene);
    return grants.length === count ? grants : undefined;
  });
/** What the two copies of each pod's sidecar run, the one that serves first. */
const pairsOf = async (scene: Scene): Promise<string[]> =>
  (await scene.pods()).map(({ spec }) =>
    (spec?.containers ?? [])
      .flatMap(({ name, image = '' }) => (name.startsWith('side-') ? [image] : []))
      .sort((a, b) => Number(a === 'side:empty') - Number(b === 'side:empty'))
      .join(),
  );
/** A set with two pods on node-1 that want `side:2`. */
async function published(scene: Scene, pods = 2): Promise<void> {
  await scene.createSet({ ...hotSide('side:1'), updateStrategy: { maxUnavailable: 2 } });
  await scene.makePods(pods);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === pods);
  await scene.publish(hotSide('side:2'));
}

serialClusterTest('a hot upgrade is granted, done by the agent, and over: the grant goes with the next', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { cluster } = scene.system;
  await published(scene, 4);
  const [grant] = await untilGrants(scene, 'as many are granted as may be down', 2);
  t.false('problem' in readGrants(grant));
  playAgent(t, { cluster, namespace: scene.namespace, node: 'node-1' });
  await scene.untilSet('all are updated', ({ updatedReadyPods }) => updatedReadyPods === 4);
  await until('the old copies are empty', async () =>
    (await pairsOf(scene)).every((pair) => pair === 'side:2,side:empty'),
  );
  const status = await scene.untilSet('it says so', (each) => conditionOf(each, 'Progressing')?.reason === 'Complete');
  t.is(status.matchedPods, 4);
  await scene.publish(hotSide('side:3'));
  await until('once more', async () => (await pairsOf(scene)).every((pair) => pair === 'side:3,side:empty'));
});

serialClusterTest(
  'a grant that nobody claimed is withdrawn by a pause, replaced by a newer publish, gone with a revert',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    await published(scene);
    const first = await untilGrants(scene, 'granted', 2);
    await scene.publish({ updateStrategy: { paused: true } });
    await untilGrants(scene, 'withdrawn by the pause', 0);
    await scene.publish({ updateStrategy: { paused: false } });
    await untilGrants(scene, 'granted again', 2);
    await scene.publish(hotSide('side:3'));
    const newer = await until('replaced by the newer', async () => {
      const grants = await grantsOf(scene);
      return grants.length === 2 && grants.every((grant) => grant.includes('side:3')) ? grants : undefined;
    });
    t.false(newer.some((grant) => first.includes(grant)));
    await scene.publish(hotSide('side:1'));
    await untilGrants(scene, 'gone with the revert', 0);
    await scene.untilSet('as it was', ({ updatedReadyPods }) => updatedReadyPods === 2);
  },
);

serialClusterTest('a grant goes with its set, and with its node, which holds nobody up', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { cluster } = scene.system;
  t.teardown(() => setNodeReady(cluster, 'node-2', true));
  await scene.createSet({ ...hotSide('side:1'), updateStrategy: { maxUnavailable: 1 } });
  await scene.makePods(1, { node: 'node-2', prefix: 'dead' });
  await scene.makePods(2);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 3);
  await setNodeReady(cluster, 'node-2', false);
  await scene.publish(hotSide('side:2'));
  playAgent(t, { cluster, namespace: scene.namespace, node: 'node-1' });
  await scene.untilSet('those of the other node are updated', ({ updatedReadyPods }) => updatedReadyPods === 2);
  const dead = (await scene.pods()).find(({ spec }) => spec?.nodeName === 'node-2');
  t.is(dead?.metadata.annotations?.[grantKey], undefined);
  await setNodeReady(cluster, 'node-2', true);
  await until('it is granted now', async () =>
    (await scene.pods()).some(({ spec, metadata }) => spec?.nodeName === 'node-2' && metadata.annotations?.[grantKey]),
  );
  await cluster.delete(sidecarSets, { name: scene.name });
  await until('it is gone with its set', async () => {
    const pod = (await scene.pods()).find(({ spec }) => spec?.nodeName === 'node-2');
    return pod && !pod.metadata.annotations?.[grantKey];
  });
  t.pass();
});

serialClusterTest(
  'a node that dies after its agent claimed holds nobody up, and ends it when it is back',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    const { cluster, outcomes, kubelet } = scene.system;
    const { namespace } = scene;
    t.teardown(() => outcomes.clear());
    t.teardown(() => setNodeReady(cluster, 'node-2', true));
    const selector = { matchLabels: { first: 'yes' } };
    await scene.createSet({ ...hotSide('side:1'), updateStrategy: { maxUnavailable: 1, selector } });
    await scene.makePods(1, { node: 'node-2', prefix: 'dead', labels: { first: 'yes' } });
    await scene.makePods(2);
    await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 3);
    outcomes.set('side:2 on node-2', 'in its hook');
    const agent = playAgent(t, { cluster, namespace, node: 'node-2' });
    await scene.publish(hotSide('side:2'));
    const isClaimed = async (name: string): Promise<boolean> =>
      (await cluster.get<WirePod>(pods, { namespace, name })).metadata.annotations?.[upgradeKey] !== undefined;
    await until('it is claimed', () => isClaimed('dead0'));
    await agent.stop();

    playAgent(t, { cluster, namespace, node: 'node-1' });
    await cluster.patch(sidecarSets, { name: scene.name }, [{ op: 'remove', path: '/spec/updateStrategy/selector' }]);
    await scene.untilSet('it is seen', () => true);
    t.is((await grantsOf(scene)).length, 1, 'the claimed one holds the only place');
    await setNodeReady(cluster, 'node-2', false);
    await scene.untilSet('the others are updated', ({ updatedReadyPods = 0 }) => updatedReadyPods >= 2);
    t.true(await isClaimed('dead0'));
    await setNodeReady(cluster, 'node-2', true);
    outcomes.clear();
    kubelet.lookAgain();
    playAgent(t, { cluster, namespace, node: 'node-2' });
    await until('all is done', async () => (await pairsOf(scene)).every((pair) => pair === 'side:2,side:empty'));
  },
);

serialClusterTest('what an agent claimed it ends, though set and grant are gone', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { cluster } = scene.system;
  // It soaks long enough to be met in the middle.
  const slow = { soakSeconds: 3 };
  await scene.createSet(hotSide('side:1', slow));
  await scene.makePods(1);
  await scene.untilSet('ready', ({ readyPods }) => readyPods === 1);
  playAgent(t, { cluster, namespace: scene.namespace, node: 'node-1' });
  await scene.publish(hotSide('side:2', slow));
  await until('it is under way', async () => (await pairsOf(scene)).includes('side:1,side:2'));
  await cluster.delete(sidecarSets, { name: scene.name });
  await until('the agent ended it', async () => (await pairsOf(scene)).includes('side:2,side:empty'));
  t.pass();
});

serialClusterTest(
  'once claimed: a newer publish goes in, a revert is rolled back, a pause stops nothing',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    const { cluster, outcomes, kubelet } = scene.system;
    t.teardown(() => outcomes.clear());
    playAgent(t, { cluster, namespace: scene.namespace, node: 'node-1' });
    outcomes.set('side:2', 'in its hook').set('side:4', 'in its hook');
    await published(scene, 1);
    const untilPair = (pair: string): Promise<boolean> => until(pair, async () => (await pairsOf(scene))[0] === pair);
    await untilPair('side:1,side:2');
    await scene.publish(hotSide('side:3'));
    await untilPair('side:3,side:empty');

    await scene.publish(hotSide('side:4'));
    await untilPair('side:4,side:3');
    await scene.publish(hotSide('side:3'));
    await untilPair('side:3,side:empty');
    await scene.untilSet('as it was', ({ updatedReadyPods }) => updatedReadyPods === 1);

    await scene.publish(hotSide('side:2'));
    await untilPair('side:2,side:3');
    await scene.publish({ updateStrategy: { paused: true } });
    await scene.untilSet('the pause is seen', () => true);
    outcomes.clear();
    kubelet.lookAgain();
    await untilPair('side:2,side:empty');
    t.pass();
  },
);

serialClusterTest(
  'a failed pod halts the rollout; new pods get what works; it goes on when it is resumed',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    const { cluster } = scene.system;
    const bad = new Set(['side:2']);
    playAgent(t, { cluster, namespace: scene.namespace, node: 'node-1', bad });
    await published(scene, 4);
    const halted = await scene.untilSet('it halts', (each) => conditionOf(each, 'Halted')?.status === 'True');
    t.like(conditionOf(halted, 'Degraded'), { status: 'True', reason: 'Failed' });
    await until('an event says so', async () => (await scene.events()).includes('Warning RolloutHalted'));
    await until('all that began is rolled back', async () =>
      (await pairsOf(scene)).every((pair) => pair === 'side:1,side:empty'),
    );
    t.true((await scene.pods()).some(({ metadata }) => metadata.annotations?.[upgradeKey]?.includes('a bad image')));
    await scene.untilSet('it is known what works', ({ injectedRevision }) => injectedRevision !== undefined);
    await until('new pods get it', async () => {
      const prefix = `new-${(await scene.pods()).length}-`;
      await scene.makePods(1, { prefix });
      const made = (await scene.pods()).find(({ metadata }) => metadata.name === `${prefix}0`);
      return made?.spec?.containers.some(({ image }) => image === 'side:1');
    });
    bad.clear();
    await cluster.patch(sidecarSets, { name: scene.name }, { metadata: { annotations: { [resumeKey]: 'again' } } });
    const count = (await scene.pods()).length;
    const status = await scene.untilSet('all are updated', ({ updatedReadyPods }) => updatedReadyPods === count);
    t.is(conditionOf(status, 'Halted')?.status, 'False');
    await until('an event says so', async () => (await scene.events()).includes('Normal RolloutResumed'));
  },
);

serialClusterTest('nothing of it was worth a warning', async (t) => {
  const { replicas } = await start(t);
  for (const { logged } of replicas) t.deepEqual(logged(40), []);
});
