import { ApiError } from '../../api/error.ts';
import { grantKey, hashKey, injectedLabel } from '../../api/pod-contract.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import {
  configMaps,
  controllerRevisions,
  customResourceDefinitions,
  mutatingWebhookConfigurations,
  namespaces,
  nodes,
  pods,
  secrets,
  sidecarSets,
} from '../../cluster/resource.ts';
import { whitelistConfigMap } from '../../controller/admission.ts';
import { issueServing } from '../../controller/webhook/certificates/issue.ts';
import { readMaterial } from '../../controller/webhook/certificates/secret.ts';
import { ownControlPlane, serialClusterTest } from '../cluster/cluster-test.ts';
import { ask } from '../cluster/control-plane/api.ts';
import { makeNamespace } from '../cluster/control-plane/namespace.ts';
import { until } from '../helpers/processes.ts';
import { clientOf, home, installed } from './installation.ts';

type WireSet = SidecarSet & KubernetesObject;
type WirePod = Pod & KubernetesObject;

const BETA = '/apis/apps.kruise.io/v1beta1/sidecarsets';
const ALPHA = '/apis/apps.kruise.io/v1alpha1/sidecarsets';

const setOf = (name: string, spec: object = {}, metadata: object = {}): WireSet => ({
  apiVersion: 'apps.kruise.io/v1beta1',
  kind: 'SidecarSet',
  metadata: { name, ...metadata },
  spec: {
    selector: { matchLabels: { app: name } },
    containers: [{ name, image: 'side:1' }],
    ...spec,
  },
});
const podOf = (namespace: string, name: string, app: string, annotations: Record<string, string> = {}): WirePod => ({
  metadata: { namespace, name, labels: { app }, annotations },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
});

serialClusterTest('a real API server calls the webhooks of deploy/', async (t) => {
  t.timeout(180_000);
  const controlPlane = await ownControlPlane(t);
  const { admin, cluster, errors, know, keep, keeperAs, server } = await installed(t, controlPlane);
  const namespace = await makeNamespace(t, controlPlane);

  // Published, and then trusted: a set is defaulted and stored with its hashes.
  t.true((await keep(), await keep()).isPublished);
  await know(true);
  await until('the webhooks are called', async () => {
    try {
      return await cluster.create(sidecarSets, setOf('first'));
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === 'ERR_BATON_EXISTS') throw error;
      return undefined;
    }
  });
  const first = await cluster.get<WireSet>(sidecarSets, { name: 'first' });
  t.is(first.spec.updateStrategy?.type, 'RollingUpdate');
  t.truthy(first.metadata.annotations?.[hashKey]);
  const { status } = await cluster.get<
    KubernetesObject & { status: { conditions: { type: string; status: string }[] } }
  >(customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
  t.deepEqual(
    status.conditions
      .filter((each) => each.status !== 'True' || each.type === 'NonStructuralSchema')
      .map(({ type }) => type),
    [],
    'the schema is structural',
  );

  // Both versions are served, by conversion.
  await ask(admin, 'POST', ALPHA, {
    ...setOf('old', { namespace }, { labels: { 'apps.kruise.io/sidecarset-custom-version': 'v7' } }),
    apiVersion: 'apps.kruise.io/v1alpha1',
  });
  const stored = await cluster.get<WireSet>(sidecarSets, { name: 'old' });
  t.deepEqual(stored.spec.namespaceSelector, { matchLabels: { 'kubernetes.io/metadata.name': namespace } });
  t.is(stored.spec.customVersion, 'v7');
  t.truthy(stored.metadata.annotations?.[hashKey]);
  const list = JSON.parse(await ask(admin, 'GET', ALPHA)) as { items: WireSet[] };
  t.deepEqual(
    list.items.map(({ metadata, apiVersion }) => `${apiVersion ?? ''} ${metadata.name ?? ''}`),
    ['apps.kruise.io/v1alpha1 first', 'apps.kruise.io/v1alpha1 old'],
  );
  t.is(list.items[1]?.metadata.labels?.['apps.kruise.io/sidecarset-custom-version'], 'v7');

  // Refused with the field, and nothing is written.
  await know(true);
  const wrong: [set: WireSet, message: RegExp][] = [
    [setOf('wrong', { selector: {} }), /spec\.selector: Invalid value: .*empty selector is not valid/],
    [setOf('wrong', { updateStrategy: { maxUnavailable: 'x' } }), /spec\.updateStrategy\.maxUnavailable/],
    [setOf('wrong', { containers: [{ name: 'c' }] }), /spec\.containers\[0\]\.image: Required value/],
    [
      setOf('wrong', { containers: [{ name: 'c', image: 'i', env: [{ name: 5 }] }] }),
      /spec\.containers\[0\]\.env\[0\]\.name: must be a string/,
    ],
    [
      setOf('wrong', { selector: { matchLabels: { app: 'first' } }, containers: [{ name: 'first', image: 'x:1' }] }),
      /container first already exist in first/,
    ],
    [setOf('wrong', { patchPodMetadata: [{ annotations: { 'my/key': 'x' } }] }), /whitelist not found/],
    [setOf('wrong.name'), /metadata\.name: .*sidecarset name must consist of/],
  ];
  for (const [set, message] of wrong) {
    const error = await t.throwsAsync(
      cluster.create(sidecarSets, set),
      { message, instanceOf: ApiError },
      String(message),
    );
    t.like(error.facts, { status: 422, reason: 'Invalid' });
  }
  t.is((await cluster.list(sidecarSets)).items.length, 2);
  await t.throwsAsync(
    cluster.patch(sidecarSets, { name: 'first' }, { spec: { containers: [{ name: 'new', image: 'i:1' }] } }),
    {
      message: /container new is not found/,
    },
  );
  t.deepEqual(await cluster.get(sidecarSets, { name: 'first' }), first);
  await cluster.create(configMaps, {
    metadata: { namespace: home, name: whitelistConfigMap },
    data: { SidecarSet_PatchPodMetadata_WhiteList: '{"rules":[{"allowedAnnotationKeyExprs":["^my/"]}]}' },
  } as KubernetesObject);
  await know(true);
  await cluster.create(sidecarSets, setOf('annotated', { patchPodMetadata: [{ annotations: { 'my/key': 'x' } }] }));

  // A dry run goes through everything, and writes nothing.
  const dry = JSON.parse(await ask(admin, 'POST', `${BETA}?dryRun=All`, setOf('dry'))) as WireSet;
  t.truthy(dry.metadata.annotations?.[hashKey]);
  await t.throwsAsync(ask(admin, 'POST', `${BETA}?dryRun=All`, wrong[0]?.[0]), { message: /422 Invalid/ });
  const podsPath = `/api/v1/namespaces/${namespace}/pods`;
  const dryPod = JSON.parse(
    await ask(admin, 'POST', `${podsPath}?dryRun=All`, podOf(namespace, 'dry', 'first')),
  ) as WirePod;
  t.is(dryPod.spec?.containers.length, 2);
  t.deepEqual((await cluster.list(pods, { namespace })).items, []);

  // Pods are injected into; a grant that somebody forged is gone; other namespaces are left out.
  const pod = await cluster.create(pods, podOf(namespace, 'p', 'first', { [grantKey]: '{"first":{}}', kept: 'yes' }));
  t.deepEqual(
    pod.spec?.containers.map(({ name }) => name),
    ['first', 'app'],
  );
  t.is(pod.metadata.labels?.[injectedLabel], 'true');
  t.is(pod.metadata.annotations?.['kept'], 'yes');
  t.false(grantKey in (pod.metadata.annotations ?? {}));
  const excluded = await makeNamespace(t, controlPlane, { 'control-plane': 'x' });
  t.is((await cluster.create(pods, podOf(excluded, 'p', 'first'))).spec?.containers.length, 1);

  // Another certificate is served under load, and no pod is created without its sidecar.
  let isOver = false;
  let created = 0;
  const creators = Array.from({ length: 4 }, async (_, creator) => {
    for (let index = 0; !isOver; index++) {
      const next = await cluster.create(pods, podOf(namespace, `load-${creator}-${index}`, 'first'));
      t.is(next.spec?.containers.length, 2);
      created++;
    }
  });
  const material = (await readMaterial(cluster, { namespace: home, name: 'baton-webhook' }))?.material;
  for (let rotation = 1; rotation <= 3; rotation++) {
    const before = created;
    if (material?.authority) server.setKeyPair(await issueServing(material.authority, ['127.0.0.1'], Date.now()));
    await until('more pods', () => created > before + 20, 30_000);
  }
  isOver = true;
  await Promise.all(creators);
  t.deepEqual(
    errors.map(String).filter((error) => !error.includes('not found')),
    [],
  );

  // The controller's own account may do what keeping certificates and watching take, and read no other Secret.
  const tokens = `/api/v1/namespaces/${home}/serviceaccounts/baton-controller/token`;
  const { status: granted } = JSON.parse(await ask(admin, 'POST', tokens, { spec: {} })) as {
    status: { token: string };
  };
  const account = clientOf(admin, granted.token);
  const spoiled = { name: 'sidecarsets.apps.kruise.io' };
  const path = '/spec/conversion/webhook/clientConfig/caBundle';
  await cluster.patch(customResourceDefinitions, spoiled, [{ op: 'remove', path }]);
  await cluster.patch(secrets, { namespace: home, name: 'baton-webhook' }, { data: { 'tls.key': null } });
  t.true((await keeperAs(account)()).isPublished);
  server.setKeyPair((await keep()).keyPair);
  for (const resource of [pods, namespaces, nodes, sidecarSets]) await t.notThrowsAsync(account.list(resource));
  await t.notThrowsAsync(
    account.list(configMaps, { namespace: home, fields: { 'metadata.name': whitelistConfigMap } }),
  );
  await t.notThrowsAsync(account.list(controllerRevisions, { namespace: home }));
  await account.patch(
    sidecarSets,
    { name: 'first' },
    { status: { matchedPods: 1, updatedPods: 0, readyPods: 0 } },
    { subresource: 'status' },
  );
  await cluster.create(secrets, { metadata: { namespace: home, name: 'other' } });
  for (const forbidden of [
    account.get(secrets, { namespace: home, name: 'other' }),
    account.list(secrets, { namespace: home }),
    account.list(configMaps, { namespace: home }),
    account.patch(sidecarSets, { name: 'first' }, { spec: { revisionHistoryLimit: 1 } }),
    account.delete(pods, { namespace, name: 'p' }),
    account.create(pods, podOf(namespace, 'its', 'first')),
  ]) {
    await t.throwsAsync(forbidden, { code: 'ERR_BATON_FORBIDDEN' });
  }
  await know(true);

  // What is not known yet is asked for again, in time: no pod is missed.
  await know(false);
  const waiting = cluster.create(pods, podOf(namespace, 'early', 'first'));
  setTimeout(() => void know(true), 1500);
  t.is((await waiting).spec?.containers.length, 2);

  // Without webhooks pods come up all the same; SidecarSets do not.
  await server.close(0);
  t.is((await cluster.create(pods, podOf(namespace, 'missed', 'first'))).spec?.containers.length, 1);
  await t.throwsAsync(cluster.create(sidecarSets, setOf('late')), { message: /failed calling webhook/ });
  t.is((await cluster.list(mutatingWebhookConfigurations)).items.length, 1);
});
