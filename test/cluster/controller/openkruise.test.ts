// docs/coming-from-openkruise.md, command by command, on a real API server with what OpenKruise 1.8 leaves.
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { hashesOf } from '../../../api/hash.ts';
import { hashKey, hashWithoutImageKey, injectedLabel } from '../../../api/pod-contract.ts';
import type { JsonPatch, KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { register } from '../../../controller/revisions/history.ts';
import { plan } from '../../../controller/rollout/plan.ts';
import { objectsOf, pathOf } from '../../deploy/objects.ts';
import { until } from '../../helpers/processes.ts';
import { ask } from '../control-plane/api.ts';
import { kubectlTest } from './kubectl.ts';
import { history, type Revision } from './left-behind.ts';
import { cold, shapes, startMove, type Move, type Shape } from './move.ts';
import { timeless } from './recorded.ts';
import { home, type WirePod } from './start-system.ts';

/** The containers of a pod that were started since, and how often. */
function startedSince(before: WirePod | undefined, { metadata, status }: WirePod): [string, number][] {
  const shown = new Map(before?.status?.containerStatuses?.map((one) => [one.name, one]));
  return (status?.containerStatuses ?? [])
    .filter(({ name, containerID }) => containerID !== shown.get(name)?.containerID)
    .map(({ name, restartCount }) => [
      `${metadata.name ?? ''}/${name}`,
      restartCount - (shown.get(name)?.restartCount ?? 0),
    ]);
}

const imagesOf = ({ spec }: WirePod): Record<string, string> =>
  Object.fromEntries((spec?.containers ?? []).map(({ name, image = '' }) => [name, image]));

/** Rollouts go on where they were, and end; no container is started that they would not have started. */
async function areTakenOver(t: ExecutionContext, { before, left, podsNow, set }: Move): Promise<void> {
  for (const name of Object.keys(left))
    await until(
      `${name} is rolled out`,
      async () => {
        const { status, metadata } = await set(name);
        const { observedGeneration, matchedPods = 0, updatedReadyPods = 0 } = status ?? {};
        const expected = name === 'other' ? 0 : matchedPods;
        return matchedPods > 0 && observedGeneration === metadata.generation && updatedReadyPods === expected;
      },
      30_000,
    );
  const now = await podsNow();
  const started = Object.values(now).flatMap((pod) => startedSince(before[pod.metadata.name ?? ''], pod));
  t.deepEqual(Object.fromEntries(started), {
    'cold-2/side': 1,
    'cold-3/side': 1,
    'half-0/mesh-1': 1,
    'hot-0/mesh-1': 1,
    'hot-0/mesh-2': 1,
  });
  for (const [name, pod] of Object.entries(now)) t.is(pod.metadata.labels?.[injectedLabel], 'true', name);
  for (const name of ['cold-0', 'cold-1', 'idle-0', 'other-0']) {
    t.deepEqual(now[name]?.spec, before[name]?.spec, name);
    t.deepEqual(now[name]?.metadata.annotations, before[name]?.metadata.annotations, name);
  }
  // What Baton wrote is what OpenKruise would have written.
  const written: [string, Shape, { annotations: Record<string, string>; images: Record<string, string> }][] = [
    ['cold-2', 'cold', cold.out.upgrade],
    ['cold-3', 'cold', cold.out.upgrade],
    ['half-0', 'half', shapes.half.out.flip],
  ];
  for (const [name, shape, { annotations, images }] of written) {
    const pod = now[name] as WirePod;
    t.deepEqual(imagesOf(pod), images, name);
    t.deepEqual(timeless(pod.metadata.annotations), left[shape].spelled(annotations), name);
  }
  t.like(imagesOf(now['hot-0'] as WirePod), { 'mesh-1': 'mesh:2', 'mesh-2': 'empty:0' });
}

/** Injecting by revision, rolling back and the whitelist, from where OpenKruise keeps them. */
async function areReadWhereTheyAre(t: ExecutionContext, { admin, cluster, left, set, make }: Move): Promise<void> {
  const change = (name: Shape, patch: JsonPatch): Promise<unknown> =>
    cluster.patch(resources.sidecarSets, { name }, patch);
  const revisionName = left.idle.older;
  await change('idle', [{ op: 'add', path: '/spec/injectionStrategy', value: { revision: { revisionName } } }]);
  const old = await until('the webhook has seen it', async () => {
    const pod = await make('by-revision', 'idle');
    await cluster.delete(resources.pods, { namespace: 'default', name: 'by-revision' }, { gracePeriodSeconds: 0 });
    return imagesOf(pod)['mesh-1']?.endsWith('-old') ? pod : undefined;
  });
  t.true(old.metadata.annotations?.[hashKey]?.includes(revisionName));
  await change('idle', [{ op: 'remove', path: '/spec/injectionStrategy' }]);

  const untilNewest = (name: string): Promise<boolean> =>
    until(`${name} is the newest`, async () => (await set('cold')).status?.latestRevision === name);
  const image = '/spec/containers/0/image';
  await change('cold', [
    { op: 'replace', path: image, value: 'side:2-old' },
    { op: 'replace', path: '/spec/updateStrategy/paused', value: true },
  ]);
  await untilNewest(left.cold.older);
  await change('cold', [{ op: 'replace', path: image, value: 'side:2' }]);
  await untilNewest(left.cold.latest);
  await change('cold', [{ op: 'replace', path: '/spec/updateStrategy/paused', value: false }]);
  const { items } = await cluster.list<Revision>(resources.controllerRevisions, { namespace: history });
  t.is(items.length, 2 * Object.keys(left).length, 'the history is OpenKruise’s, with nothing added');

  const withAnnotation = (key: string): Promise<string> => {
    const patchPodMetadata = [{ annotations: { [key]: 'x' }, patchPolicy: 'Retain' }];
    const path = '/apis/apps.kruise.io/v1beta1/sidecarsets/idle?dryRun=All';
    return ask(admin, 'PATCH', path, { spec: { patchPodMetadata } }, 'application/merge-patch+json');
  };
  await t.notThrowsAsync(withAnnotation('allowed-here'));
  await t.throwsAsync(withAnnotation('elsewhere'), { message: /elsewhere\) is not allowed/ });
}

/** OpenKruise finds each pod with the hash of its set, each set with its own and its revision, and so nothing to do. */
async function isNothingToDo(t: ExecutionContext, { cluster, left, podsNow, set }: Move): Promise<void> {
  const pods = Object.values(await podsNow());
  const { items } = await cluster.list<Revision>(resources.controllerRevisions, { namespace: history });
  for (const { name, latest } of Object.values(left)) {
    const found = await set(name);
    const { hash, hashWithoutImage } = hashesOf(found);
    t.like(found.metadata.annotations, { [hashKey]: hash, [hashWithoutImageKey]: hashWithoutImage }, name);
    t.like(register(found, items, { namespace: history }), { action: 'reuse', relabel: false }, name);
    t.is(found.status?.latestRevision, latest, name);
    const planned = plan(found, pods, {
      now: Date.now(),
      controllerRevision: latest,
      sets: new Set(Object.keys(left)),
    });
    const { matched, upgrade, grant, withdraw, conditions, notUpgradable } = planned;
    t.deepEqual([upgrade, grant, withdraw, conditions].flat(), [], name);
    t.deepEqual(notUpgradable, name === 'other' ? matched : [], name);
    t.is(planned.status.updatedPods, name === 'other' ? 0 : matched.length, name);
    t.is(planned.status.readyPods, matched.length, name);
  }
}

/** While work is done, pods are created again and again: each is refused, or has its sidecar. */
async function neverBare<T>(t: ExecutionContext, { admin }: Move, work: Promise<T>): Promise<T> {
  const pod = {
    metadata: { name: 'tried', labels: { app: 'cold' } },
    spec: { containers: [{ name: 'main', image: 'app:1' }] },
  };
  const tried = { refused: 0, injected: 0, bare: 0 };
  const over = new AbortController();
  const end = (): void => over.abort();
  void work.then(end, end);
  while (!over.signal.aborted) {
    const made = ask(admin, 'POST', '/api/v1/namespaces/default/pods?dryRun=All', pod);
    const outcome = await made.then(
      (text) => (Object.hasOwn(imagesOf(JSON.parse(text) as WirePod), 'side') ? 'injected' : 'bare'),
      () => 'refused' as const,
    );
    tried[outcome] += 1;
    await delay(50);
  }
  t.log(tried);
  t.is(tried.bare, 0);
  t.true(tried.refused > 0);
  return work;
}

kubectlTest(
  'the page’s commands move a cluster from OpenKruise to Baton in the middle of rollouts, and back',
  async (t) => {
    t.timeout(120_000);
    const move = await startMove(t);
    const { admin, cluster, step, make } = move;
    const crd = (): Promise<KubernetesObject> =>
      cluster.get(resources.customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
    const webhooks = async (): Promise<object[]> => {
      const kinds = [resources.mutatingWebhookConfigurations, resources.validatingWebhookConfigurations];
      const lists = await Promise.all(
        kinds.map((kind) => cluster.list<KubernetesObject & { webhooks?: object[] }>(kind)),
      );
      return lists.flatMap(({ items }) => items.map((one) => ({ name: one.metadata.name, webhooks: one.webhooks })));
    };
    const theirs = await webhooks();

    await step('1. Let nothing delete the CRD');
    t.is((await cluster.list(resources.secrets, { namespace: 'default' })).items.length, 0, 'Helm knows no release');
    await step('2. Switch OpenKruise off');
    await t.throwsAsync(make('refused', 'cold'), { message: /failed calling webhook/ });
    await neverBare(t, move, step('3. Install Baton'));
    t.like((await crd()).metadata, {
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'helm.sh/resource-policy': 'keep', 'meta.helm.sh/release-name': 'baton' },
    });
    await neverBare(t, move, step('4. Switch its webhooks off'));
    await areTakenOver(t, move);
    const looked = await step('5. Look');
    t.notRegex(looked, /^(error|warning|unknown)/m);
    t.is(looked.match(/^ok /gm)?.length, 9, looked);
    await areReadWhereTheyAre(t, move);

    await until('all have settled', async () => {
      const { status, metadata } = await move.set('cold');
      return status?.observedGeneration === metadata.generation && status?.updatedReadyPods === 4;
    });
    await neverBare(t, move, step('Going back'));
    t.deepEqual(await webhooks(), theirs);
    const stays = (
      await Promise.all(
        objectsOf()
          .filter(({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== home)
          .map(async (object) => {
            const found = ask(admin, 'GET', `${pathOf(object)}/${object.metadata.name}`);
            return found.then(
              () => object.kind,
              () => undefined,
            );
          }),
      )
    ).filter((kind) => kind !== undefined);
    t.deepEqual(stays, ['CustomResourceDefinition']);
    await isNothingToDo(t, move);
    t.is(move.failure(), undefined);
  },
);
