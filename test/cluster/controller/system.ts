import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { ApiError } from '../../../api/error.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { hashKey } from '../../../api/pod-contract.ts';
import type { SidecarSet, SidecarSetCondition, SidecarSetStatus } from '../../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { events, nodes, pods, sidecarSets } from '../../../cluster/resource.ts';
import { objectsOf, pathOf, type Manifest } from '../../deploy/objects.ts';
import { temporaryDirectory, until, type Scope } from '../../helpers/processes.ts';
import { binaries } from '../cluster-test.ts';
import { ApiFailure, ask, type Access } from '../control-plane/api.ts';
import { writeKubeconfig } from '../control-plane/kubeconfig.ts';
import { accessOf, makeNamespace } from '../control-plane/namespace.ts';
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

export interface SystemOptions {
  /** Processes of the controller; the default is 1. */
  replicas?: number;
  /** From the change of a pod to its status, in milliseconds; the default is 50. */
  kubeletDelay?: number;
  /** Has the API server write down what replicas write. */
  audit?: boolean;
}

/** To start all, on a machine that is busy. */
const START_TIMEOUT_MS = 180_000;

/**
 * What the tests of one file share; it is started by the first that asks for it. The Service leads to this machine, and
 * everything else is as `kubectl apply -k deploy` makes it: the replicas' account, certificates and webhooks are the real ones.
 */
export function sharedSystem(options: SystemOptions = {}): (t: ExecutionContext) => Promise<System> {
  const ends: (() => unknown)[] = [];
  const scope: Scope = { teardown: (end) => void ends.unshift(end) };
  let started: Promise<System> | undefined;
  test.after.always(async () => {
    for (const end of ends) await end();
  });
  return async (t) => {
    t.timeout(START_TIMEOUT_MS);
    return (started ??= startSystem(await binaries(t), scope, options));
  };
}

async function startSystem(folder: string, scope: Scope, options: SystemOptions): Promise<System> {
  // The front has another port than 443, and Services without endpoints are reached by name.
  const apiServerFlags = ['--enable-aggregator-routing=false'];
  const auditLog = join(temporaryDirectory(scope), 'audit.log');
  if (options.audit) apiServerFlags.push(...auditFlags(auditLog));
  const controlPlane = await startControlPlane({ binaries: folder, apiServerFlags });
  scope.teardown(() => controlPlane.stop());
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  const front = await startFront(scope);
  for (const object of objectsOf()) {
    const changed = forThisMachine(object, front.port);
    if (changed) await ask(admin, 'POST', pathOf(changed), changed);
  }
  for (const name of ['node-1', 'node-2']) {
    await cluster.create(nodes, { metadata: { name } });
    await setNodeReady(cluster, name, true);
  }
  const outcomes = new Map<string, Outcome>();
  const outcome = (image: string, { spec }: Pod): Outcome =>
    outcomes.get(`${image} on ${spec?.nodeName ?? ''}`) ?? outcomes.get(image) ?? 'ready';
  const kubelet = startTestKubelet({ cluster, delay: options.kubeletDelay ?? 50, outcome });
  scope.teardown(() => kubelet.stop());

  const link = await startProxy(scope, admin.url);
  const replicas: Replica[] = [];
  const addReplica = async (): Promise<Replica> => {
    const kubeconfig = join(temporaryDirectory(scope), 'controller.kubeconfig');
    const token = await tokenOf(admin, 'baton-controller');
    writeKubeconfig(kubeconfig, { ...admin, url: `https://127.0.0.1:${link.port}`, token });
    const replica = await startReplica(scope, kubeconfig);
    front.replicas.add(replica.webhookPort);
    replicas.push(replica);
    return replica;
  };
  await Promise.all(Array.from({ length: options.replicas ?? 1 }, addReplica));
  await until('the API server trusts the webhooks', () => isTrusted(admin));
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

async function isTrusted(admin: Access): Promise<boolean> {
  const path = '/apis/apps.kruise.io/v1beta1/sidecarsets?dryRun=All';
  const set = { metadata: { name: 'trial' }, spec: { selector: { matchLabels: { app: 'trial' } }, ...side('side:1') } };
  try {
    const answer = await ask(admin, 'POST', path, { apiVersion: 'apps.kruise.io/v1beta1', kind: 'SidecarSet', ...set });
    return answer.includes(hashKey);
  } catch (error) {
    if (error instanceof ApiFailure && /failed calling webhook/.test(error.message)) return false;
    throw error;
  }
}

function forThisMachine(object: Manifest, port: number): Manifest | undefined {
  if (object.kind === 'Deployment') return undefined;
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

/** A namespace and a SidecarSet's name of one test's own, with what tests do to them. */
export interface Scene {
  system: System;
  namespace: string;
  /** What ends with the test. */
  scope: Scope;
  /** The set's name, and the value of the label `app` of its pods. */
  name: string;
  /** Creates it, or another one of the same pods, and waits until the controller has seen it. */
  createSet: (spec?: Partial<SidecarSet['spec']>, name?: string) => Promise<WireSet>;
  publish: (change: Partial<SidecarSet['spec']>) => Promise<WireSet>;
  getSet: () => Promise<WireSet>;
  pods: () => Promise<WirePod[]>;
  makePods: (
    count: number,
    spec?: { node?: string; labels?: Record<string, string>; prefix?: string },
  ) => Promise<void>;
  /** How many pods have each image of a container. */
  images: (container?: string) => Promise<Record<string, number>>;
  /** Waits until the status describes the spec as it is now, and this holds. */
  untilSet: (
    what: string,
    holds: (status: SidecarSetStatus) => boolean | undefined,
    ms?: number,
  ) => Promise<SidecarSetStatus>;
  /** `type reason` of the events of the set. */
  events: () => Promise<string[]>;
}

/** The sidecar that sets of tests have. */
export const side = (image: string): Partial<SidecarSet['spec']> => ({ containers: [{ name: 'side', image }] });
export const hotSide = (image: string, upgradeStrategy: object = {}): Partial<SidecarSet['spec']> => ({
  containers: [
    {
      name: 'side',
      image,
      upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty', ...upgradeStrategy },
    },
  ],
});

export const conditionOf = ({ conditions = [] }: SidecarSetStatus, type: string): SidecarSetCondition | undefined =>
  conditions.find((condition) => condition.type === type);

/** A scene of the test's own on the file's system; its set and pods go with it. */
export async function sceneOf(t: Scope, system: System): Promise<Scene> {
  const { cluster, controlPlane } = system;
  const namespace = await makeNamespace(t, controlPlane);
  // One that cannot be confused with other tests' sets.
  const name = namespace;
  const getSet = (): Promise<WireSet> => cluster.get<WireSet>(sidecarSets, { name });
  const list = async (): Promise<WirePod[]> => (await cluster.list<WirePod>(pods, { namespace })).items;
  return {
    system,
    scope: t,
    namespace,
    name,
    async createSet(spec = {}, setName = name) {
      t.teardown(() => cluster.delete(sidecarSets, { name: setName }).catch(() => undefined));
      await cluster.create<WireSet>(sidecarSets, {
        metadata: { name: setName },
        spec: {
          selector: { matchLabels: { app: name } },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          ...side('side:1'),
          ...spec,
        },
      });
      return until('the controller has seen it', async () => {
        const set = await cluster.get<WireSet>(sidecarSets, { name: setName });
        return set.status?.observedGeneration === undefined ? undefined : set;
      });
    },
    publish: (spec) => cluster.patch(sidecarSets, { name }, { spec }),
    getSet,
    pods: list,
    async makePods(count, { node = 'node-1', labels = {}, prefix = 'p' } = {}) {
      const make = (_: unknown, index: number): Promise<unknown> =>
        cluster.create<WirePod>(pods, {
          metadata: { namespace, name: `${prefix}${index}`, labels: { app: name, ...labels } },
          spec: { nodeName: node, containers: [{ name: 'app', image: 'app:1' }] },
        });
      await Promise.all(Array.from({ length: count }, make));
    },
    async images(container = 'side') {
      const counts: Record<string, number> = {};
      for (const { spec } of await list()) {
        const image = spec?.containers.find((one) => one.name === container)?.image ?? 'none';
        counts[image] = (counts[image] ?? 0) + 1;
      }
      return counts;
    },
    async untilSet(what, holds, ms = 30_000) {
      let last: WireSet | undefined;
      const look = async (): Promise<SidecarSetStatus | undefined> => {
        const { metadata, status } = (last = await getSet());
        return status?.observedGeneration === metadata.generation && status && holds(status) ? status : undefined;
      };
      return until(what, look, ms).catch((error: unknown) => {
        throw new Error(`${what}: ${JSON.stringify(last?.status)}`, { cause: error });
      });
    },
    async events() {
      const { items } = await cluster.list<
        KubernetesObject & { type: string; reason: string; involvedObject: { name?: string } }
      >(events, { namespace: 'default' });
      return items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ type, reason }) => `${type} ${reason}`);
    },
  };
}

const unlessAway = (error: unknown): void => {
  if (!(error instanceof ApiError && ['ERR_BATON_UNAVAILABLE', 'ERR_BATON_GONE'].includes(error.code))) throw error;
};

export interface Down {
  /** The most pods of the namespace that were down at any moment. */
  most: () => number;
  /** Ends the record. */
  stop: () => Promise<void>;
}

/** Records from a watch of its own how many pods of a namespace have a container that is not what their spec says. */
export async function watchDown(t: Scope, cluster: Cluster, namespace: string, container = 'side'): Promise<Down> {
  const over = new AbortController();
  const down = new Set<string>();
  let most = 0;
  const see = ({ metadata, spec, status }: WirePod): void => {
    const image = spec?.containers.find(({ name }) => name === container)?.image;
    const shown = status?.containerStatuses?.find(({ name }) => name === container);
    if (shown?.image === image && shown?.ready) down.delete(metadata.name ?? '');
    else down.add(metadata.name ?? '');
    most = Math.max(most, down.size);
  };
  const look = async (): Promise<string> => {
    const { items, resourceVersion } = await cluster.list<WirePod>(pods, { namespace });
    items.forEach(see);
    return resourceVersion;
  };
  const follow = async (from: string): Promise<void> => {
    for await (const event of cluster.watch<WirePod>(pods, { namespace, resourceVersion: from, signal: over.signal })) {
      if (event.type === 'MODIFIED') see(event.object);
    }
  };
  const first = await look();
  const watching = (async () => {
    for (let from: string | undefined = first; !over.signal.aborted; from = undefined) {
      // While the API server is away no pod changes; what was seen last stays down until something else is seen.
      await (from === undefined ? look() : Promise.resolve(from)).then(follow).catch(unlessAway);
      await delay(20);
    }
  })();
  const stop = async (): Promise<void> => {
    over.abort();
    await watching;
  };
  t.teardown(stop);
  return { most: () => most, stop };
}
