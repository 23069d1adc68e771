import { ApiError } from '../../api/error.ts';
import { parseJson, printJson } from '../../api/json.ts';
import type { Lease, Node, Pod } from '../../api/kubernetes.ts';
import { hashKey } from '../../api/pod-contract.ts';
import type { Cluster, KubernetesObject, Query } from '../../cluster/cluster.ts';
import type { Transport } from '../../cluster/kubernetes/transport.ts';
import * as resources from '../../cluster/resource.ts';
import type { Resource } from '../../cluster/resource.ts';
import { managerLabels, managerLease } from '../../controller/second-controller/evidence.ts';
import type { Crd, Facts, Found, PolicyBinding, Read, Trial, WebhookConfiguration } from './facts.ts';

export interface GatherOptions {
  cluster: Cluster;
  /** For what {@link Cluster} has no words for: a request that is tried and not carried out. */
  transport: Transport;
  namespace: string;
  /** Where OpenKruise keeps its Lease. */
  historyNamespace: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/**
 * Reads everything that the checks look at; changes nothing. What may not be read is a problem of that fact only.
 *
 * @throws ApiError `ERR_BATON_UNAVAILABLE` when the API server does not answer
 */
export async function gather(options: GatherOptions): Promise<Facts> {
  const { cluster, transport, namespace, historyNamespace, now } = options;
  const find = <T extends object>(resource: Resource, name: string, home?: string): Promise<Found<T>> =>
    attempt(async () => {
      try {
        return await cluster.get<T & KubernetesObject>(resource, {
          name,
          ...(home !== undefined && { namespace: home }),
        });
      } catch (error) {
        if (error instanceof ApiError && error.code === 'ERR_BATON_NOT_FOUND') return undefined;
        throw error;
      }
    });
  const list = <T extends object>(resource: Resource, query: Query = {}): Promise<Read<(T & KubernetesObject)[]>> =>
    attempt(async () => (await cluster.list<T & KubernetesObject>(resource, query)).items);
  const part = (component: string): Promise<Read<Pod[]>> => {
    const matchLabels = { 'app.kubernetes.io/name': 'baton', 'app.kubernetes.io/component': component };
    return list<Pod>(resources.pods, { namespace, labels: { matchLabels } });
  };
  const mutating = list<WebhookConfiguration>(resources.mutatingWebhookConfigurations);
  // What an earlier installation without cert-manager left is served no more.
  const secret = mutating.then((found) =>
    find<{ data?: Record<string, string> }>(
      resources.secrets,
      isCertManagers(found) ? 'baton-webhook-tls' : 'baton-webhook',
      namespace,
    ),
  );
  const certificate = secret.then((found): Facts['serving'] => {
    if ('problem' in found) return found;
    const text = found.value?.data?.['tls.crt'];
    return { value: text === undefined ? undefined : Buffer.from(text, 'base64').toString() };
  });
  const facts = {
    crd: find<Crd>(resources.customResourceDefinitions, 'sidecarsets.apps.kruise.io'),
    mutating,
    validating: list<WebhookConfiguration>(resources.validatingWebhookConfigurations),
    trial: attempt(() => tryToCreate(transport)),
    serving: certificate,
    policy: find<object>(resources.validatingAdmissionPolicies, 'baton-agent'),
    binding: find<PolicyBinding>(resources.validatingAdmissionPolicyBindings, 'baton-agent'),
    nodes: list<Node>(resources.nodes),
    controllers: part('controller'),
    agents: part('agent'),
    managers: list<Pod>(resources.pods, { labels: { matchLabels: managerLabels } }),
    lease: find<Lease>(resources.leases, managerLease, historyNamespace),
  };
  await Promise.all(Object.values(facts));
  return {
    now,
    namespace,
    crd: await facts.crd,
    mutating: await facts.mutating,
    validating: await facts.validating,
    trial: await facts.trial,
    serving: await facts.serving,
    policy: await facts.policy,
    binding: await facts.binding,
    nodes: await facts.nodes,
    controllers: await facts.controllers,
    agents: await facts.agents,
    managers: await facts.managers,
    lease: await facts.lease,
  };
}

/** Whether cert-manager writes the bundle of Baton's configuration, and so makes the certificates. */
const isCertManagers = (found: Facts['mutating']): boolean =>
  'value' in found &&
  found.value.some(
    ({ metadata: { name, annotations } }) =>
      name === 'baton' && annotations?.['cert-manager.io/inject-ca-from'] !== undefined,
  );

async function attempt<T>(request: () => Promise<T>): Promise<Read<T>> {
  try {
    return { value: await request() };
  } catch (error) {
    if (!(error instanceof ApiError) || error.code === 'ERR_BATON_UNAVAILABLE') throw error;
    return { problem: error.message };
  }
}

/** Has the API server go through all of a creation but the storing: it asks the webhooks as it always does. */
async function tryToCreate(transport: Transport): Promise<Trial> {
  const matchLabels = { 'baton.dev/doctor': 'trial' };
  const { status, body } = await transport.send({
    method: 'POST',
    path: '/apis/apps.kruise.io/v1beta1/sidecarsets?dryRun=All',
    body: printJson({
      apiVersion: 'apps.kruise.io/v1beta1',
      kind: 'SidecarSet',
      metadata: { name: 'baton-doctor' },
      spec: { selector: { matchLabels }, containers: [{ name: 'trial', image: 'trial:1' }] },
    }),
  });
  const message = status < 300 ? '' : messageIn(body);
  return { status, message, isDefaulted: status < 300 && body.includes(hashKey) };
}

function messageIn(body: string): string {
  try {
    return String((parseJson(body) as { message?: string }).message);
  } catch (error) {
    if (error instanceof SyntaxError) return body.slice(0, 500);
    throw error;
  }
}
