import type { ExecutionContext } from 'ava';
import type { ControllerRevision, Namespace, Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createMemoryCluster } from '../../cluster/memory/cluster.ts';
import { controllerRevisions, namespaces, nodes, pods, sidecarSets } from '../../cluster/resource.ts';
import { admitPod, admitSidecarSet, type AdmissionSources } from '../../controller/admission.ts';
import type { Plan } from '../../controller/rollout/plan.ts';
import { runRollouts, type Rollouts } from '../../controller/rollouts.ts';
import { watchAll } from '../../controller/watched.ts';
import { startTestKubelet, type TestKubelet, type TestKubeletOptions } from '../cluster/kubelet.ts';
import { until } from '../helpers/processes.ts';

export type WirePod = Pod & KubernetesObject;
export type WireSet = SidecarSet & KubernetesObject;

export const home = 'baton-system';

/** A memory cluster whose admission injects, defaults and validates as Baton's webhooks do. */
export function clusterWithAdmission(): Cluster {
  const items = async <T extends KubernetesObject>(resource: Parameters<Cluster['list']>[0]): Promise<T[]> =>
    (await cluster.list<T>(resource)).items;
  const sources = async (): Promise<AdmissionSources> => ({
    sidecarSets: await items<WireSet>(sidecarSets),
    namespaces: await items<Namespace & KubernetesObject>(namespaces),
    revisions: await items<ControllerRevision & KubernetesObject>(controllerRevisions),
    now: Date.now(),
    draw: Math.random,
  });
  const cluster: Cluster = createMemoryCluster({
    async admit({ operation, resource, object, oldObject }) {
      if (resource === sidecarSets && operation !== 'DELETE') {
        return admitSidecarSet(object, oldObject as SidecarSet | undefined, await sources()).object;
      }
      return resource === pods && operation === 'CREATE' ? admitPod(object as WirePod, await sources()).object : object;
    },
  });
  return cluster;
}

export interface Controller {
  plans: Map<string, Plan>;
  failures: unknown[];
  stop: () => Promise<void>;
}

/** The rollouts half of the controller, as its main program wires it. */
export async function startController(t: ExecutionContext, cluster: Cluster, parallel = 4): Promise<Controller> {
  const over = new AbortController();
  const plans = new Map<string, Plan>();
  const failures: unknown[] = [];
  // eslint-disable-next-line prefer-const -- what it needs calls it
  let rollouts: Rollouts | undefined;
  const watched = watchAll({
    cluster,
    namespace: home,
    signal: over.signal,
    onChange: (set, when) => rollouts?.look(set, when),
  });
  await watched.synced;
  rollouts = runRollouts({
    cluster,
    namespace: home,
    watched,
    now: Date.now,
    parallel,
    onStep: ({ metadata }, plan) => plans.set(metadata.name ?? '', plan),
    onFailure: (_, error) => failures.push(error),
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      await rollouts.stop();
      over.abort();
      await watched.done;
    })());
  t.teardown(stop);
  return { plans, failures, stop };
}

export async function startKubelet(
  t: ExecutionContext,
  cluster: Cluster,
  options: Omit<TestKubeletOptions, 'cluster'> = {},
): Promise<TestKubelet> {
  const kubelet = startTestKubelet({ cluster, ...options });
  t.teardown(() => kubelet.stop());
  return Promise.resolve(kubelet);
}

/** Namespaces, a node that is ready, and so many pods of `app: web` that the sets there are were injected into. */
export async function makePods(cluster: Cluster, count: number, node = 'node-1'): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await cluster.create<WirePod>(pods, {
      metadata: { namespace: 'test', name: `p${String(index).padStart(3, '0')}`, labels: { app: 'web' } },
      spec: { nodeName: node, containers: [{ name: 'app', image: 'app:1' }] },
    });
  }
}

export async function makeSurroundings(cluster: Cluster): Promise<void> {
  for (const name of ['default', home, 'test']) await cluster.create(namespaces, { metadata: { name } });
  await cluster.create(nodes, { metadata: { name: 'node-1' } });
  await setNodeReady(cluster, 'node-1', true);
}

export async function setNodeReady(cluster: Cluster, name: string, ready: boolean): Promise<void> {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  await cluster.patch(nodes, { name }, { status: { conditions } }, { subresource: 'status' });
}

export const imagesOf = async (cluster: Cluster, container = 'side'): Promise<string[]> =>
  (await cluster.list<WirePod>(pods, { namespace: 'test' })).items.map(
    ({ spec }) => spec?.containers.find(({ name }) => name === container)?.image ?? '',
  );

export const getSet = (cluster: Cluster, name = 's'): Promise<WireSet> => cluster.get<WireSet>(sidecarSets, { name });

/** Waits until the status describes the spec as it is now, and says so. */
export const untilSet = (
  cluster: Cluster,
  what: string,
  holds: (status: NonNullable<WireSet['status']>) => boolean,
  ms?: number,
): Promise<boolean> =>
  until(
    what,
    async () => {
      const { metadata, status } = await getSet(cluster);
      return status?.observedGeneration === metadata.generation && status !== undefined && holds(status);
    },
    ms,
  );
