import type { Lease } from '../../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import type { Scope } from '../../helpers/processes.ts';
import { objectOf, pathOf, type Manifest } from '../../deploy/objects.ts';
import { ask, type Access } from '../control-plane/api.ts';

const labels = { 'control-plane': 'controller-manager' };
const home = 'kruise-system';
const lease = { namespace: home, name: 'kruise-manager' };
const timestamp = (): string => new Date().toISOString().replace('Z', '000Z');

/** The CRD as OpenKruise 1.8 and its chart have it: one version, and Helm's marks. */
export function definition18(): Manifest {
  const ours = structuredClone(objectOf('CustomResourceDefinition', 'sidecarsets.apps.kruise.io'));
  const { versions, ...spec } = ours['spec'] as { conversion?: object; versions: { name: string }[] };
  delete spec.conversion;
  const old = versions.filter(({ name }) => name === 'v1alpha1').map((version) => ({ ...version, storage: true }));
  return {
    ...ours,
    metadata: {
      ...ours.metadata,
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'kruise', 'meta.helm.sh/release-namespace': 'default' },
    },
    spec: { ...spec, versions: old },
  };
}

/** What its chart installs and its manager makes of it, but for the webhooks: those nobody answers here. */
export async function installOpenKruise(admin: Access, cluster: Cluster): Promise<void> {
  await cluster.create(resources.namespaces, { metadata: { name: home, labels: { 'control-plane': 'openkruise' } } });
  const crd = definition18();
  await ask(admin, 'POST', pathOf(crd), crd);
  const containers = [{ name: 'manager', image: 'openkruise/kruise-manager:v1.8.0' }];
  const deployment = {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace: home, name: 'kruise-controller-manager' } },
    spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  };
  await ask(admin, 'POST', pathOf(deployment), deployment);
  const data = {
    SidecarSet_PatchPodMetadata_WhiteList: JSON.stringify({ rules: [{ allowedAnnotationKeyExprs: ['^allowed'] }] }),
  };
  const whitelist: KubernetesObject & { data: object } = {
    metadata: { namespace: home, name: 'kruise-configuration' },
    data,
  };
  await cluster.create(resources.configMaps, whitelist);
  const release: KubernetesObject & { type: string } = {
    metadata: { namespace: 'default', name: 'sh.helm.release.v1.kruise.v1', labels: { owner: 'helm', name: 'kruise' } },
    type: 'helm.sh/release.v1',
  };
  await cluster.create(resources.secrets, release);
}

const webhookOf = (name: string, path: string, group: string, resource: string, operations: string[]): object => ({
  name,
  clientConfig: { service: { namespace: home, name: 'kruise-webhook-service', path } },
  rules: [{ apiGroups: [group], apiVersions: ['*'], resources: [resource], operations }],
  namespaceSelector: {
    matchExpressions: [
      { key: 'control-plane', operator: 'NotIn', values: ['openkruise'] },
      { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] },
    ],
  },
  ...{ failurePolicy: 'Fail', sideEffects: 'None', admissionReviewVersions: ['v1', 'v1beta1'] },
});

/** They fail closed. */
export async function installItsWebhooks(cluster: Cluster): Promise<void> {
  type Configuration = KubernetesObject & { webhooks: object[] };
  const set = ['apps.kruise.io', 'sidecarsets', ['CREATE', 'UPDATE']] as const;
  await cluster.create<Configuration>(resources.mutatingWebhookConfigurations, {
    metadata: { name: 'kruise-mutating-webhook-configuration' },
    webhooks: [
      webhookOf('mpod.kb.io', '/mutate-pod', '', 'pods', ['CREATE']),
      webhookOf('msidecarset.kb.io', '/mutate-apps-kruise-io-sidecarset', set[0], set[1], [...set[2]]),
    ],
  });
  await cluster.create<Configuration>(resources.validatingWebhookConfigurations, {
    metadata: { name: 'kruise-validating-webhook-configuration' },
    webhooks: [
      webhookOf('vpod.kb.io', '/validate-pod', '', 'pods', ['UPDATE', 'DELETE']),
      webhookOf('vsidecarset.kb.io', '/validate-apps-kruise-io-sidecarset', set[0], set[1], [...set[2]]),
    ],
  });
}

type Deployment = KubernetesObject & { spec: { replicas: number } };

/**
 * What the cluster does for Deployments, and OpenKruise's manager for its Lease while it has a pod: its replicas come and go, and
 * both Deployments say that they are as they should be. `onScaled` is told of Baton's.
 */
export function playDeployments(
  t: Scope,
  admin: Access,
  cluster: Cluster,
  onScaled: (replicas: number) => Promise<void>,
): { failure: () => unknown } {
  let failure: unknown;
  let batons = -1;
  let running = false;
  const get = async (namespace: string, name: string): Promise<Deployment | undefined> => {
    const { items } = JSON.parse(await ask(admin, 'GET', `/apis/apps/v1/namespaces/${namespace}/deployments`)) as {
      items: Deployment[];
    };
    return items.find(({ metadata }) => metadata.name === name);
  };
  const sayReady = async ({ metadata, spec: { replicas } }: Deployment): Promise<void> => {
    const path = `/apis/apps/v1/namespaces/${metadata.namespace}/deployments/${metadata.name}/status`;
    const counts = { replicas, updatedReplicas: replicas, readyReplicas: replicas, availableReplicas: replicas };
    const status = { ...counts, observedGeneration: metadata.generation };
    await ask(admin, 'PATCH', path, { status }, 'application/merge-patch+json');
  };
  const pod = { namespace: home, name: 'kruise-controller-manager-0' };
  const tick = async (): Promise<void> => {
    const manager = await get(home, 'kruise-controller-manager');
    if (manager && manager.spec.replicas > 0 && !running) {
      const containers = [{ name: 'manager', image: 'openkruise/kruise-manager:v1.8.0' }];
      const made: KubernetesObject & { spec: object } = { metadata: { ...pod, labels }, spec: { containers } };
      await cluster.create(resources.pods, made);
      running = true;
    }
    if (manager?.spec.replicas === 0 && running) {
      await cluster.delete(resources.pods, pod, { gracePeriodSeconds: 0 });
      running = false;
    }
    if (running) {
      const spec = { holderIdentity: 'manager-0_x', leaseDurationSeconds: 15, renewTime: timestamp() };
      const renewed = cluster.patch<Lease & KubernetesObject>(resources.leases, lease, { spec });
      await renewed.catch(() => cluster.create<Lease & KubernetesObject>(resources.leases, { metadata: lease, spec }));
    }
    if (manager) await sayReady(manager);
    const baton = await get('baton-system', 'baton-controller');
    if (baton && baton.spec.replicas !== batons) {
      batons = baton.spec.replicas;
      await onScaled(batons);
      await sayReady(baton);
    }
  };
  const over = new AbortController();
  const done = (async () => {
    while (!over.signal.aborted) {
      await tick().catch((error: unknown) => {
        failure ??= error;
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  })();
  t.teardown(async () => {
    over.abort();
    await done;
  });
  return { failure: () => failure };
}
