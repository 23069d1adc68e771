import { randomUUID } from 'node:crypto';
import { KubeConfig } from '@kubernetes/client-node';
import type { ExecutionContext } from 'ava';
import type { ControllerRevision, Namespace } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createKubernetesCluster } from '../../cluster/kubernetes/client.ts';
import { configMaps, controllerRevisions, namespaces, sidecarSets } from '../../cluster/resource.ts';
import { whitelistConfigMap, whitelistOf, type AdmissionSources } from '../../controller/admission.ts';
import { createCertificateKeeper, type Kept } from '../../controller/webhook/certificates/keeper.ts';
import { installedClients } from '../../controller/webhook/certificates/publish.ts';
import { serveWebhooks, type WebhookServer } from '../../controller/webhook/server.ts';
import { ask, type Access } from '../cluster/control-plane/api.ts';
import { accessOf } from '../cluster/control-plane/namespace.ts';
import type { ControlPlaneFacts } from '../cluster/control-plane/start.ts';
import { connect } from '../cluster/kubernetes/connect.ts';
import { objectsOf, pathOf, type Manifest } from './objects.ts';

export const home = 'baton-system';

export interface Installation {
  cluster: Cluster;
  admin: Access;
  server: WebhookServer;
  /** What went wrong in the webhooks. */
  errors: unknown[];
  /** What the webhooks know; undefined as before the first list. */
  know: (isKnown: boolean) => Promise<void>;
  keep: () => Promise<Kept>;
  /** The same with another account. */
  keeperAs: (who: Cluster) => () => Promise<Kept>;
}

/** A client with a token of its own. */
export function clientOf({ url, ca }: Access, token: string): Cluster {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: url, caData: Buffer.from(ca).toString('base64') }],
    users: [{ name: 'u', token }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return createKubernetesCluster({ config, userAgent: 'baton-test', limit: { qps: 1000, burst: 1000 } });
}

/** A token that the API server made for a pod of this account on that node, as its kubelet mounts it. */
export async function tokenOnNode(admin: Access, node: string, account = 'baton-agent'): Promise<string> {
  const name = `${account}-${node}-${randomUUID().slice(0, 8)}`;
  const { metadata } = JSON.parse(
    await ask(admin, 'POST', `/api/v1/namespaces/${home}/pods`, {
      metadata: { name },
      spec: { nodeName: node, serviceAccountName: account, containers: [{ name: 'agent', image: 'agent:1' }] },
    }),
  ) as KubernetesObject;
  const path = `/api/v1/namespaces/${home}/serviceaccounts/${account}/token`;
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: metadata.uid };
  const { status } = JSON.parse(await ask(admin, 'POST', path, { spec: { boundObjectRef } })) as {
    status: { token: string };
  };
  return status.token;
}

/** Creates objects as an administrator; webhooks are called by URL, as nothing here reaches services. */
export async function create(admin: Access, objects: readonly Manifest[], port = 0): Promise<void> {
  const text = JSON.stringify(objects).replaceAll(
    /"service":\{"namespace":"baton-system","name":"baton-webhook","path":"([^"]+)","port":443\}/g,
    (_, path: string) => `"url":"https://127.0.0.1:${port}${path}"`,
  );
  for (const object of JSON.parse(text) as Manifest[]) {
    await ask(admin, 'POST', pathOf(object), object);
  }
}

/** All of `deploy/` on a control plane of the test's own, the webhooks served by this process with certificates of their own. */
export async function installed(t: ExecutionContext, controlPlane: ControlPlaneFacts): Promise<Installation> {
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  const errors: unknown[] = [];
  let known: Omit<AdmissionSources, 'now' | 'draw'> | undefined;
  const keeperAs = (who: Cluster): (() => Promise<Kept>) =>
    createCertificateKeeper({
      cluster: who,
      secret: { namespace: home, name: 'baton-webhook' },
      clients: installedClients,
      names: ['127.0.0.1'],
      now: Date.now,
      monotonic: () => performance.now(),
      onError: (error) => errors.push(error),
    });
  const keep = keeperAs(cluster);
  const isEarly = ({ kind }: Manifest): boolean => kind === 'Namespace';
  await create(admin, objectsOf().filter(isEarly));
  const { keyPair } = await keep();
  const server = await serveWebhooks({
    port: 0,
    host: '127.0.0.1',
    keyPair,
    sources: () => known,
    now: Date.now,
    draw: Math.random,
    onError: (error) => errors.push(error),
  });
  t.teardown(() => server.close(0));
  await create(
    admin,
    objectsOf().filter((object) => !isEarly(object)),
    server.port,
  );
  return {
    cluster,
    admin,
    server,
    errors,
    keep,
    keeperAs,
    know: async (isKnown) => {
      const whitelist = await cluster
        .get<KubernetesObject & { data?: Record<string, string> }>(configMaps, {
          namespace: home,
          name: whitelistConfigMap,
        })
        .catch(() => undefined);
      known = isKnown
        ? {
            sidecarSets: (await cluster.list<SidecarSet & KubernetesObject>(sidecarSets)).items,
            namespaces: (await cluster.list<Namespace & KubernetesObject>(namespaces)).items,
            revisions: (
              await cluster.list<ControllerRevision & KubernetesObject>(controllerRevisions, { namespace: home })
            ).items,
            whitelist: whitelistOf(whitelist),
          }
        : undefined;
    },
  };
}
