// What happens to pods and SidecarSets on their way into a real API server, by the webhooks of a real controller.
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { grantKey, hashKey, injectedLabel, injectedListKey, upgradeKey } from '../../../api/pod-contract.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { ask } from '../control-plane/api.ts';
import { hotSide, sceneOf, sharedSystem, type Scene, type WirePod, type WireSet } from './system.ts';

const start = sharedSystem();

const podIn = ({ namespace, name }: Scene, change: Partial<WirePod['metadata']> = {}): WirePod => ({
  metadata: { namespace, name: 'p', labels: { app: name }, ...change },
  spec: {
    containers: [
      {
        name: 'app',
        image: 'app:1',
        env: [{ name: 'WHO', value: 'app' }],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    ],
    volumes: [{ name: 'data', emptyDir: {} }],
  },
});
const namesOf = (list: readonly { name: string }[] = []): string[] => list.map(({ name }) => name);

serialClusterTest(
  'sidecars come in their order, with volumes, pull secrets and the env of the application',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    await scene.createSet({
      initContainers: [
        { name: 'b-init', image: 'init:1' },
        { name: 'a-init', image: 'init:1' },
      ],
      containers: [
        { name: 'last', image: 'side:1', podInjectPolicy: 'AfterAppContainer' },
        {
          name: 'first',
          image: 'side:1',
          podInjectPolicy: 'BeforeAppContainer',
          shareVolumePolicy: { type: 'enabled' },
          transferEnv: [{ sourceContainerName: 'app', envName: 'WHO' }],
          volumeMounts: [{ name: 'logs', mountPath: '/logs' }],
        },
      ],
      volumes: [
        { name: 'logs', emptyDir: {} },
        { name: 'unused', emptyDir: {} },
      ],
      imagePullSecrets: [{ name: 'pull' }],
    });
    const { cluster } = scene.system;
    const { metadata, spec } = await cluster.create(pods, podIn(scene));
    t.deepEqual(namesOf(spec?.containers), ['first', 'app', 'last']);
    t.deepEqual(namesOf(spec?.initContainers), ['a-init', 'b-init']);
    t.like(
      spec?.containers[0]?.env?.find(({ name }) => name === 'WHO'),
      { value: 'app' },
    );
    const mounts = spec?.containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
    t.deepEqual(mounts.filter((path) => ['/logs', '/data'].includes(path)).sort(), ['/data', '/logs']);
    const volumes = namesOf(spec?.volumes);
    t.true(volumes.includes('logs') && volumes.includes('data') && !volumes.includes('unused'), volumes.join());
    t.deepEqual(spec?.imagePullSecrets, [{ name: 'pull' }]);
    t.is(metadata.labels?.[injectedLabel], 'true');
    t.is(metadata.annotations?.[injectedListKey], scene.name);
    // Neither another namespace nor another label.
    const other = await sceneOf(t, scene.system);
    t.deepEqual(namesOf((await cluster.create(pods, podIn(other))).spec?.containers), ['app']);
  },
);

serialClusterTest('two sets are injected in the order of their names', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.createSet({ containers: [{ name: 'z', image: 'side:1' }] }, `${scene.name}-2`);
  await scene.createSet({ containers: [{ name: 'a', image: 'side:1' }] }, `${scene.name}-1`);
  const pod = await scene.system.cluster.create(pods, podIn(scene));
  t.deepEqual(namesOf(pod.spec?.containers), ['a', 'z', 'app']);
  t.is(pod.metadata.annotations?.[injectedListKey], `${scene.name}-1,${scene.name}-2`);
});

serialClusterTest('a set of v1alpha1 is stored as v1beta1, injected, and read back in both versions', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { admin, cluster } = scene.system;
  const path = '/apis/apps.kruise.io/v1alpha1/sidecarsets';
  const spec = {
    namespace: scene.namespace,
    selector: { matchLabels: { app: scene.name } },
    containers: [{ name: 'side', image: 'side:1' }],
  };
  const metadata = { name: scene.name, labels: { 'apps.kruise.io/sidecarset-custom-version': 'v7' } };
  t.teardown(() => cluster.delete(sidecarSets, { name: scene.name }));
  await ask(admin, 'POST', path, { apiVersion: 'apps.kruise.io/v1alpha1', kind: 'SidecarSet', metadata, spec });
  await scene.untilSet('it is seen', () => true);
  const stored = await scene.getSet();
  t.is(stored.spec.customVersion, 'v7');
  t.deepEqual(stored.spec.namespaceSelector, { matchLabels: { 'kubernetes.io/metadata.name': scene.namespace } });
  t.deepEqual(namesOf((await cluster.create(pods, podIn(scene))).spec?.containers), ['side', 'app']);
  const alpha = JSON.parse(await ask(admin, 'GET', `${path}/${scene.name}`)) as WireSet;
  t.is(alpha.metadata.labels?.['apps.kruise.io/sidecarset-custom-version'], 'v7');
  t.is(alpha.apiVersion, 'apps.kruise.io/v1alpha1');
});

serialClusterTest('a hot sidecar comes as a pair, of which the second is empty', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.createSet(hotSide('side:1'));
  const { spec } = await scene.system.cluster.create(pods, podIn(scene));
  t.deepEqual(
    spec?.containers.map(({ name, image }) => `${name} ${image ?? ''}`),
    ['side-1 side:1', 'side-2 side:empty', 'app app:1'],
  );
  t.like(
    spec?.volumes?.find(({ name }) => name === 'baton'),
    { emptyDir: { medium: 'Memory' } },
  );
  t.deepEqual(
    spec?.containers[2]?.volumeMounts?.filter(({ name }) => name === 'baton'),
    [],
  );
});

serialClusterTest(
  'a set gets its defaults and hashes; a wrong one is refused with the field, and nothing is written',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    const { cluster, admin } = scene.system;
    const set = await scene.createSet();
    t.like(set.spec.updateStrategy, { type: 'RollingUpdate', maxUnavailable: 1, partition: 0 });
    t.truthy(set.metadata.annotations?.[hashKey]);

    const wrong: [spec: object, message: RegExp][] = [
      [{ selector: {} }, /spec\.selector: /],
      [{ updateStrategy: { maxUnavailable: 'x' } }, /spec\.updateStrategy\.maxUnavailable: /],
      [{ containers: [{ name: 'c' }] }, /spec\.containers\[0\]\.image: /],
      [{ containers: [{ name: 'side', image: 'x:1' }] }, /container side already exist in /],
    ];
    for (const [change, message] of wrong) {
      const error = await t.throwsAsync(
        cluster.create(sidecarSets, {
          metadata: { name: `${scene.name}-wrong` },
          spec: { selector: { matchLabels: { app: scene.name } }, containers: [{ name: 'c', image: 'i' }], ...change },
        }),
        { code: 'ERR_BATON_INVALID', message },
      );
      t.like(error, { facts: { status: 422, reason: 'Invalid' } });
    }
    await t.throwsAsync(cluster.get(sidecarSets, { name: `${scene.name}-wrong` }), { code: 'ERR_BATON_NOT_FOUND' });
    await t.throwsAsync(scene.publish({ containers: [{ name: 'other', image: 'i:1' }] }), {
      message: /container other is not found/,
    });
    t.deepEqual((await scene.getSet()).spec, set.spec);

    // A dry run goes through everything, and writes nothing.
    const beta = '/apis/apps.kruise.io/v1beta1/sidecarsets?dryRun=All';
    const dry: Partial<WireSet> = { apiVersion: 'apps.kruise.io/v1beta1', kind: 'SidecarSet' };
    const spec: SidecarSet['spec'] = {
      selector: { matchLabels: { app: 'dry' } },
      containers: [{ name: 'd', image: 'i' }],
    };
    const answer = JSON.parse(await ask(admin, 'POST', beta, { ...dry, metadata: { name: 'dry' }, spec })) as WireSet;
    t.truthy(answer.metadata.annotations?.[hashKey]);
    await t.throwsAsync(cluster.get(sidecarSets, { name: 'dry' }), { code: 'ERR_BATON_NOT_FOUND' });
    const podPath = `/api/v1/namespaces/${scene.namespace}/pods?dryRun=All`;
    const pod = JSON.parse(await ask(admin, 'POST', podPath, podIn(scene))) as WirePod;
    t.deepEqual(namesOf(pod.spec?.containers), ['side', 'app']);
    t.deepEqual(await scene.pods(), []);
  },
);

serialClusterTest('a grant and an upgrade that somebody forged on a new pod are gone', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.createSet();
  const annotations = { [grantKey]: `{"${scene.name}":{}}`, [upgradeKey]: '{}', kept: 'yes' };
  const { metadata } = await scene.system.cluster.create(pods, podIn(scene, { annotations }));
  t.is(metadata.annotations?.['kept'], 'yes');
  t.false(grantKey in (metadata.annotations ?? {}) || upgradeKey in (metadata.annotations ?? {}));
});

serialClusterTest('nothing of it was worth a warning', async (t) => {
  const { replicas } = await start(t);
  for (const { logged } of replicas) t.deepEqual(logged(40), []);
});
