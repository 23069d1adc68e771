import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '../../../api/kubernetes.ts';
import { hashKey } from '../../../api/pod-contract.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { nodes } from '../../../cluster/resource.ts';
import { objectsOf, pathOf, type Manifest } from '../../deploy/objects.ts';
import { temporaryDirectory, until, type Scope } from '../../helpers/processes.ts';
import { ApiFailure, ask, type Access } from '../control-plane/api.ts';
import { writeKubeconfig } from '../control-plane/kubeconfig.ts';
import { accessOf } from '../control-plane/namespace.ts';
import { startControlPlane, type OwnControlPlane } from '../control-plane/start.ts';
import { startTestKubelet, type Outcome, type TestKubelet } from '../kubelet.ts';
import { connect } from '../kubernetes/connect.ts';
import { startProxy, type Proxy } from '../kubernetes/proxy.ts';
import { startFront, type Front } from './front.ts';
import { startReplica, type Replica } from './replica.ts';

export type WirePod = Pod & KubernetesObject;
export type WireSet = SidecarSet & KubernetesObject;

export const home = 'baton-system';

/** A control plane with all of `deploy/`, on which a file's tests run one after the other. */
export interface System {
  controlPlane: OwnControlPlane;
  admin: Access;
  /** An administrator's client. */
  cluster: Cluster;
  kubelet: TestKubelet;
  /** What becomes of containers with an image, `IMAGE on NODE` or `IMAGE`, where it is not `ready`. */
  outcomes: Map<string, Outcome>;
  front: Front;
  /** The way of all replicas to the API server. */
  link: Proxy;
  /** The writes of replicas since the start, as the API server's audit log has them; where the system was started with it. */
  writes: () => Write[];
  /** The controller's processes, those that have ended too. */
  replicas: Replica[];
  /** One more, behind the Service. */
  addReplica: () => Promise<Replica>;
}

/** A write that the API server was asked for by a replica. */
export interface Write {
  /** Of the token that it came with: each replica has its own. */
  credential: string;
  resource: string;
  verb: string;
  name: string;
  status: number;
  /** When it came in, in milliseconds since the epoch. */
  at: number;
}

/** For an API server whose webhooks have another port than 443: Services without endpoints are reached by name. */
export const servicesByName = ['--enable-aggregator-routing=false'];

/** What some distributions check beyond the defaults: who makes an object block its owner's deletion must have a right to. */
export const strictFlags = ['--enable-admission-plugins=OwnerReferencesPermissionEnforcement'];

export interface SystemOptions {
  /** Processes of the controller; the default is 1. */
  replicas?: number;
  /** From the change of a pod to its status, in milliseconds; the default is 50. */
  kubeletDelay?: number;
  /** Has the API server write down what replicas write. */
  audit?: boolean;
}

/**
 * Starts all of it; the Service leads to this machine, and everything else is as `kubectl apply -k deploy` makes it: the
 * replicas' account, certificates and webhooks are the real ones.
 *
 * @param folder - of the control plane's binaries
 */
export async function startSystem(folder: string, scope: Scope, options: SystemOptions = {}): Promise<System> {
  const auditLog = join(temporaryDirectory(scope), 'audit.log');
  const apiServerFlags = [...servicesByName, ...strictFlags, ...(options.audit ? auditFlags(auditLog) : [])];
  const controlPlane = await startControlPlane({ binaries: folder, apiServerFlags });
  scope.teardown(() => controlPlane.stop());
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  const front = await startFront(scope);
  await install(admin, cluster, front.port);
  const outcomes = new Map<string, Outcome>();
  const outcome = (image: string, { spec }: Pod): Outcome =>
    outcomes.get(`${image} on ${spec?.nodeName ?? ''}`) ?? outcomes.get(image) ?? 'ready';
  const kubelet = startTestKubelet({ cluster, delay: options.kubeletDelay ?? 50, outcome });
  scope.teardown(() => kubelet.stop());

  const link = await startProxy(scope, admin.url);
  const replicas: Replica[] = [];
  const addReplica = async (): Promise<Replica> => {
    const kubeconfig = await kubeconfigOf(scope, { ...admin, url: `https://127.0.0.1:${link.port}` });
    const replica = await startReplica(scope, kubeconfig);
    front.replicas.add(replica.webhookPort);
    replicas.push(replica);
    return replica;
  };
  await Promise.all(Array.from({ length: options.replicas ?? 1 }, addReplica));
  await untilTrusted(admin);
  const writes = (): Write[] => (options.audit ? writesIn(readFileSync(auditLog, 'utf8')) : []);
  return { controlPlane, admin, cluster, kubelet, outcomes, front, link, writes, replicas, addReplica };
}

/** Of all requests, those that the controller's account writes with. */
function auditFlags(log: string): string[] {
  const policy = `${log}.policy`;
  const users = [`system:serviceaccount:${home}:baton-controller`];
  const verbs = ['create', 'update', 'patch', 'delete'];
  const rules = [{ level: 'Metadata', users, verbs }, { level: 'None' }];
  const omitStages = ['RequestReceived'];
  writeFileSync(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages, rules }));
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`];
}

function writesIn(log: string): Write[] {
  return log
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => {
      const { verb, objectRef, user, responseStatus, requestReceivedTimestamp } = JSON.parse(line) as {
        verb: string;
        objectRef: { resource: string; name?: string };
        user: { extra: Record<string, string[]> };
        responseStatus: { code: number };
        requestReceivedTimestamp: string;
      };
      const { resource, name = '' } = objectRef;
      const credential = user.extra['authentication.kubernetes.io/credential-id']?.[0] ?? '';
      const at = Date.parse(requestReceivedTimestamp);
      return { credential, resource, verb, name, status: responseStatus.code, at };
    });
}

/** Creates the objects of `deploy/`, and two nodes; the webhooks are expected at this port of the loopback. */
export async function install(admin: Access, cluster: Cluster, port: number): Promise<void> {
  for (const object of objectsOf()) {
    const changed = forThisMachine(object, port);
    if (changed) await ask(admin, 'POST', pathOf(changed), changed);
  }
  for (const name of ['node-1', 'node-2']) {
    await cluster.create(nodes, { metadata: { name } });
    await setNodeReady(cluster, name, true);
  }
}

/** A file with which a process is the controller's account. */
export async function kubeconfigOf(scope: Scope, admin: Access): Promise<string> {
  const kubeconfig = join(temporaryDirectory(scope), 'controller.kubeconfig');
  writeKubeconfig(kubeconfig, { ...admin, token: await tokenOf(admin, 'baton-controller') });
  return kubeconfig;
}

/** Waits until the API server has the webhooks' certificates. */
export const untilTrusted = (admin: Access): Promise<boolean> =>
  until('the API server trusts the webhooks', () => isTrusted(admin));

async function isTrusted(admin: Access): Promise<boolean> {
  const path = '/apis/apps.kruise.io/v1beta1/sidecarsets?dryRun=All';
  const spec = { selector: { matchLabels: { app: 'trial' } }, containers: [{ name: 'side', image: 'side:1' }] };
  const set = { metadata: { name: 'trial' }, spec };
  try {
    const answer = await ask(admin, 'POST', path, { apiVersion: 'apps.kruise.io/v1beta1', kind: 'SidecarSet', ...set });
    return answer.includes(hashKey);
  } catch (error) {
    if (error instanceof ApiFailure && /failed calling webhook/.test(error.message)) return false;
    throw error;
  }
}

export function forThisMachine(object: Manifest, port: number): Manifest | undefined {
  if (object.kind === 'Deployment' || object.kind === 'DaemonSet') return undefined;
  if (object.kind === 'Service') {
    const { apiVersion, kind, metadata } = object;
    return { apiVersion, kind, metadata, spec: { type: 'ExternalName', externalName: '127.0.0.1' } };
  }
  const text = JSON.stringify(object).replaceAll(/("service":\{[^}]*"port":)443\b/g, `$1${port}`);
  return JSON.parse(text) as Manifest;
}

async function tokenOf(admin: Access, account: string): Promise<string> {
  const path = `/api/v1/namespaces/${home}/serviceaccounts/${account}/token`;
  const answer = JSON.parse(await ask(admin, 'POST', path, { spec: {} })) as { status: { token: string } };
  return answer.status.token;
}

export async function setNodeReady(cluster: Cluster, name: string, ready: boolean): Promise<void> {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  await cluster.patch(nodes, { name }, { status: { conditions } }, { subresource: 'status' });
}
