import test from 'ava';
import type { ControllerRevision, Namespace, Pod } from '../../api/kubernetes.ts';
import { grantKey } from '../../api/pod-contract.ts';
import { register } from '../../controller/revisions/history.ts';
import { upgradableCondition } from '../../api/upgradable.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createMemoryCluster } from '../../cluster/memory/cluster.ts';
import { clusterError } from '../../cluster/errors.ts';
import { controllerRevisions, namespaces, pods, sidecarSets } from '../../cluster/resource.ts';
import { admitPod, admitSidecarSet, type AdmissionSources } from '../../controller/admission.ts';
import { reconcile, type ReconcileOptions, type Seen } from '../../controller/reconcile.ts';
import type { Plan } from '../../controller/rollout/plan.ts';
import type { WrittenPod } from '../../controller/rollout/verdict.ts';

type WirePod = Pod & KubernetesObject;
type WireSet = SidecarSet & KubernetesObject;
type Revision = ControllerRevision & KubernetesObject;

const home = 'baton-system';
const NOW = Date.UTC(2026, 0, 1);

interface World {
  cluster: Cluster;
  /** One reconcile of the set as it is now. */
  step: (now?: number, more?: Partial<ReconcileOptions>) => Promise<Plan>;
  pods: () => Promise<WirePod[]>;
  set: () => Promise<WireSet>;
  revisions: () => Promise<Revision[]>;
  /** What the kubelets do: each pod runs what its spec says, and is ready. */
  settle: () => Promise<void>;
}

async function world(spec: SidecarSet['spec'], count: number): Promise<World> {
  const sources = async (): Promise<AdmissionSources> => ({
    sidecarSets: (await cluster.list<WireSet>(sidecarSets)).items,
    namespaces: (await cluster.list<Namespace & KubernetesObject>(namespaces)).items,
    revisions: (await cluster.list<Revision>(controllerRevisions)).items,
    now: NOW,
    draw: () => 0.5,
  });
  const cluster: Cluster = createMemoryCluster({
    async admit({ operation, resource, object, oldObject }) {
      if (resource === sidecarSets && operation !== 'DELETE') {
        return admitSidecarSet(object, oldObject as SidecarSet | undefined, await sources()).object;
      }
      return resource === pods && operation === 'CREATE' ? admitPod(object as WirePod, await sources()).object : object;
    },
  });
  for (const name of ['default', home, 'test']) await cluster.create(namespaces, { metadata: { name } });
  await cluster.create<WireSet>(sidecarSets, { metadata: { name: 's' }, spec });
  const written = new Map<string, WrittenPod>();
  const listPods = async (): Promise<WirePod[]> => (await cluster.list<WirePod>(pods)).items;
  const getSet = (): Promise<WireSet> => cluster.get<WireSet>(sidecarSets, { name: 's' });
  const revisions = async (): Promise<Revision[]> => (await cluster.list<Revision>(controllerRevisions)).items;
  const settle = async (): Promise<void> => {
    for (const { metadata, spec: podSpec } of await listPods()) {
      const containerStatuses = podSpec?.containers.map(({ name, image = '' }) => ({
        name,
        image,
        imageID: `x://${image}@sha256:${'0'.repeat(64)}${image}`,
        ready: true,
        restartCount: 0,
      }));
      const conditions = [
        ...((await cluster.get<WirePod>(pods, { namespace: 'test', name: metadata.name ?? '' })).status?.conditions ??
          []),
      ].filter(({ type }) => type !== 'Ready');
      await cluster.patch(
        pods,
        { namespace: 'test', name: metadata.name ?? '' },
        {
          status: {
            phase: 'Running',
            containerStatuses,
            conditions: [...conditions, { type: 'Ready', status: 'True' }],
          },
        },
        { subresource: 'status' },
      );
    }
  };
  const noAgent = new Map<string, number>();
  const step: World['step'] = async (now = NOW, more = {}) => {
    const seen: Seen = {
      pods: await listPods(),
      namespaces: (await sources()).namespaces,
      revisions: await revisions(),
      sets: new Set(['s']),
    };
    return reconcile(await getSet(), seen, { cluster, namespace: home, now, written, noAgent, ...more });
  };
  for (let index = 0; index < count; index += 1) {
    await cluster.create<WirePod>(pods, {
      metadata: { namespace: 'test', name: `p${index}`, labels: { app: 'a' } },
      spec: { nodeName: 'n', containers: [{ name: 'app', image: 'app:1' }] },
    });
  }
  await step();
  await settle();
  return { cluster, step, pods: listPods, set: getSet, revisions, settle };
}

const spec = (image: string, more: Partial<SidecarSet['spec']> = {}): SidecarSet['spec'] => ({
  selector: { matchLabels: { app: 'a' } },
  containers: [{ name: 'side', image }],
  ...more,
});
const publish = (cluster: Cluster, change: Partial<SidecarSet['spec']>): Promise<KubernetesObject> =>
  cluster.patch(sidecarSets, { name: 's' }, { spec: change });
const images = (all: readonly WirePod[]): string[] =>
  all.map((pod) => pod.spec?.containers.find(({ name }) => name === 'side')?.image ?? '');

test('a cold rollout goes on in steps of maxUnavailable, and the status counts', async (t) => {
  const {
    cluster,
    step,
    pods: all,
    set,
    settle,
  } = await world(spec('side:1', { updateStrategy: { maxUnavailable: 2 } }), 5);
  t.deepEqual(images(await all()), Array<string>(5).fill('side:1'));
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  const counts: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    await step();
    // Before the kubelets have done anything, another step starts nothing.
    t.is((await step()).upgrade.length, 0);
    counts.push(images(await all()).filter((image) => image === 'side:2').length);
    await settle();
  }
  t.deepEqual(counts, [2, 4, 5, 5]);
  await step();
  t.like((await set()).status, { matchedPods: 5, updatedPods: 5, readyPods: 5, updatedReadyPods: 5 });
  for (const { status } of await all()) {
    // One write a pod: a condition that is not there speaks against nothing.
    t.is(
      status?.conditions?.find(({ type }) => type === upgradableCondition),
      undefined,
    );
  }
});

test('what stands still is written once: a step with nothing to do writes nothing', async (t) => {
  const { cluster, step } = await world(spec('side:1'), 3);
  await step();
  const before = (await cluster.list(pods)).resourceVersion;
  await step();
  await step();
  t.is((await cluster.list(pods)).resourceVersion, before);
});

test('each spec has its revision; going back to an older one raises it; old ones are deleted', async (t) => {
  const { cluster, step, revisions, set } = await world(spec('side:1', { revisionHistoryLimit: 2 }), 0);
  const numbers = async (): Promise<number[]> =>
    (await revisions()).map(({ revision }) => revision).sort((a, b) => a - b);
  t.deepEqual(await numbers(), [1]);
  const [first] = await revisions();
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  await step();
  t.deepEqual(await numbers(), [1, 2]);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:1' }] });
  await step();
  t.deepEqual(await numbers(), [2, 3]);
  t.is((await set()).status?.latestRevision, first?.metadata.name);
  for (const image of ['side:3', 'side:4']) {
    await publish(cluster, { containers: [{ name: 'side', image }] });
    await step();
  }
  t.deepEqual(await numbers(), [4, 5]);
});

test('a SidecarSet that is not valid is refused with the field', async (t) => {
  const { cluster } = await world(spec('side:1'), 0);
  const error = await t.throwsAsync(publish(cluster, { selector: {}, updateStrategy: { maxUnavailable: 'x' } }), {
    code: 'ERR_BATON_INVALID',
  });
  t.regex(error.message, /maxUnavailable/);
});

test('a controller that begins in the middle of a rollout goes on from what it sees', async (t) => {
  const {
    cluster,
    step,
    pods: all,
    settle,
  } = await world(spec('side:1', { updateStrategy: { maxUnavailable: 1 } }), 2);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  await step();
  const fresh = { pods: await all(), namespaces: [], revisions: [], sets: new Set(['s']) };
  const set = await cluster.get<WireSet>(sidecarSets, { name: 's' });
  const plan = await reconcile(set, fresh, {
    cluster,
    namespace: home,
    now: NOW,
    written: new Map(),
    noAgent: new Map(),
  });
  t.is(plan.upgrade.length, 0, 'one is down already');
  await settle();
  await step();
  t.deepEqual(images(await all()), ['side:2', 'side:2']);
});

test('SidecarSetUpgradable is written where it must say False, and becomes True again when that is over', async (t) => {
  const { cluster, step, pods: all, settle } = await world(spec('side:1'), 1);
  const said = async (): Promise<string | undefined> =>
    (await all())[0]?.status?.conditions?.find(({ type }) => type === upgradableCondition)?.status;
  t.is(await said(), undefined);
  const env = [{ name: 'NEW', value: '1' }];
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2', env }] });
  await step();
  t.is(await said(), 'False');
  await publish(cluster, { containers: [{ name: 'side', image: 'side:3' }] });
  await step();
  await settle();
  await step();
  t.deepEqual(images(await all()), ['side:3']);
  t.is(await said(), 'True');
});

test('several pods are written at once, no more than told, until nothing may be written any more', async (t) => {
  const { cluster, step, pods: all } = await world(spec('side:1', { updateStrategy: { maxUnavailable: '100%' } }), 9);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  let [begun, atOnce, most] = [0, 0, 0];
  const counting: Cluster = {
    ...cluster,
    async patch(resource, key, patch, options) {
      if (resource !== pods) return cluster.patch(resource, key, patch, options);
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 2));
      try {
        return await cluster.patch(resource, key, patch, options);
      } finally {
        atOnce -= 1;
      }
    },
  };
  await step(NOW, { cluster: counting, parallel: 3, mayWrite: () => ++begun <= 5 });
  t.is(most, 3);
  t.is(images(await all()).filter((image) => image === 'side:2').length, 5);
  await step(NOW, { cluster: counting, parallel: 3 });
  t.is(images(await all()).filter((image) => image === 'side:2').length, 9);
});

test('a write that fails ends the step with its error; what is under way is waited for', async (t) => {
  const { cluster, step, pods: all } = await world(spec('side:1', { updateStrategy: { maxUnavailable: '100%' } }), 6);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  let tried = 0;
  const failing: Cluster = {
    ...cluster,
    async patch(resource, key, patch, options) {
      if (resource !== pods) return cluster.patch(resource, key, patch, options);
      if (++tried === 2) throw clusterError('ServiceUnavailable', 'away');
      await new Promise((resolve) => setTimeout(resolve, 2));
      return cluster.patch(resource, key, patch, options);
    },
  };
  await t.throwsAsync(step(NOW, { cluster: failing, parallel: 2 }), { code: 'ERR_BATON_UNAVAILABLE' });
  const done = images(await all()).filter((image) => image === 'side:2').length;
  t.is(done, 1);
  await step();
  t.is(images(await all()).filter((image) => image === 'side:2').length, 6);
});

const hot = (image: string): SidecarSet['spec'] => ({
  selector: { matchLabels: { app: 'a' } },
  containers: [
    { name: 'side', image, upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty' } },
  ],
  updateStrategy: { maxUnavailable: 1 },
});
const granted = (all: readonly WirePod[]): string[] =>
  all.flatMap(({ metadata }) => (metadata.annotations?.[grantKey] === undefined ? [] : [metadata.name ?? '']));

test('a grant that nobody takes is withdrawn, holds no budget, and is given again after a while', async (t) => {
  const { cluster, step, pods: all } = await world(hot('side:1'), 2);
  await publish(cluster, { containers: hot('side:2').containers ?? [] });
  await step();
  const [first = ''] = granted(await all());
  t.is(granted(await all()).length, 1);
  await step(NOW + 59_000);
  t.deepEqual(granted(await all()), [first]);

  t.deepEqual(verdicts(await step(NOW + 61_000)).noAgent, [first]);
  const [second = '', ...others] = granted(await all());
  t.true(second !== '' && second !== first && others.length === 0);
  await step(NOW + 124_000);
  await step(NOW + 125_000);
  t.deepEqual(granted(await all()), [], 'nobody is left');
  await step(NOW + 61_000 + 300_000);
  t.deepEqual(granted(await all()), [first]);
});

test('a paused set takes back what nobody claimed', async (t) => {
  const { cluster, step, pods: all } = await world(hot('side:1'), 2);
  await publish(cluster, { containers: hot('side:2').containers ?? [] });
  await step();
  t.is(granted(await all()).length, 1);
  await publish(cluster, { updateStrategy: { paused: true } });
  await step();
  t.deepEqual(granted(await all()), []);
});

function verdicts({ pods }: Plan): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { verdict, name } of pods) (found[verdict] ??= []).push(name);
  return found;
}

test('two controllers at once do no more than one: the second meets what the first wrote', async (t) => {
  const { cluster, pods: all, revisions } = await world(spec('side:1', { updateStrategy: { maxUnavailable: 1 } }), 3);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  const set = await cluster.get<WireSet>(sidecarSets, { name: 's' });
  const seen = { pods: await all(), namespaces: [], revisions: await revisions(), sets: new Set(['s']) };
  const options = { cluster, namespace: home, now: NOW };
  const fresh = (): Pick<ReconcileOptions, 'written' | 'noAgent'> => ({ written: new Map(), noAgent: new Map() });
  await Promise.all([
    reconcile(set, seen, { ...options, ...fresh() }),
    reconcile(set, seen, { ...options, ...fresh() }),
  ]);
  t.is(images(await all()).filter((image) => image === 'side:2').length, 1);
  t.deepEqual((await revisions()).map(({ revision }) => revision).sort(), [1, 2]);
});

test('a name that other data has taken is passed over', async (t) => {
  const { cluster, step, revisions, set } = await world(spec('side:1'), 0);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  const { revision: expected } = register(await set(), await revisions(), { namespace: home });
  const foreign = { ...expected, data: { spec: { foreign: true } }, revision: 1 };
  await cluster.create(controllerRevisions, { ...foreign, metadata: { ...foreign.metadata, labels: {} } });
  await step();
  const { status } = await set();
  t.not(status?.latestRevision, expected.metadata?.name);
  t.is(status?.collisionCount, 1);
});

test('a pod that is gone when it is to be written stops nothing', async (t) => {
  const { cluster, pods: all, revisions } = await world(spec('side:1', { updateStrategy: { maxUnavailable: 2 } }), 2);
  await publish(cluster, { containers: [{ name: 'side', image: 'side:2' }] });
  const seen = { pods: await all(), namespaces: [], revisions: await revisions(), sets: new Set(['s']) };
  await cluster.delete(pods, { namespace: 'test', name: 'p0' }, { gracePeriodSeconds: 0 });
  const set = await cluster.get<WireSet>(sidecarSets, { name: 's' });
  const memory = { written: new Map<string, WrittenPod>(), noAgent: new Map<string, number>() };
  await reconcile(set, seen, { cluster, namespace: home, now: NOW, ...memory });
  t.deepEqual(images(await all()), ['side:2']);
});
