import type { ControllerRevision, Namespace, Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { createMemoryCluster } from '../../../cluster/memory/cluster.ts';
import { controllerRevisions, namespaces, pods, sidecarSets, type Resource } from '../../../cluster/resource.ts';
import { admitPod, admitSidecarSet, type AdmissionSources } from '../../../controller/admission.ts';

/** Where the controller keeps its revisions. */
export const homeNamespace = 'baton-system';

export type WirePod = Pod & KubernetesObject;
export type WireSet = SidecarSet & KubernetesObject;
export type WireRevision = ControllerRevision & KubernetesObject;

/** What a controller tells admission: sets that are halted, and the revision that new pods get instead. */
export type Halted = ReadonlyMap<string, string>;

/** A cluster in this process whose admission is Baton's: SidecarSets are defaulted and validated, pods injected into. */
export function makeHome(halted: () => Halted, warn: (message: string) => void): Cluster {
  const sources = async (): Promise<AdmissionSources> => ({
    sidecarSets: (await cluster.list<WireSet>(sidecarSets)).items,
    namespaces: (await cluster.list<Namespace & KubernetesObject>(namespaces)).items,
    revisions: (await cluster.list<WireRevision>(controllerRevisions)).items,
    halted: halted(),
    // Which annotations a set may put on pods is the cluster's to say.
    featureGates: { SidecarSetPatchPodMetadataDefaultsAllowed: true },
    now: Date.now(),
    draw: Math.random,
  });
  const cluster = createMemoryCluster({
    async admit({ operation, resource, object, oldObject }) {
      if (operation === 'DELETE') return object;
      if (resource === sidecarSets) {
        const admitted = admitSidecarSet(object, oldObject as SidecarSet | undefined, await sources());
        admitted.warnings.forEach(warn);
        return admitted.object;
      }
      if (resource !== pods || operation !== 'CREATE') return object;
      const admitted = admitPod(object as WirePod, await sources());
      admitted.warnings.forEach(warn);
      return admitted.object;
    },
  });
  return cluster;
}

/** Calls `see` with each object that there is and with each change of one, in their order, until the signal aborts. */
export async function follow(
  cluster: Cluster,
  resource: Resource,
  signal: AbortSignal,
  see: (object: KubernetesObject, isGone: boolean) => void,
): Promise<void> {
  const { items, resourceVersion } = await cluster.list(resource);
  for (const object of items) see(object, false);
  for await (const event of cluster.watch(resource, { resourceVersion, signal })) {
    if (event.type !== 'BOOKMARK') see(event.object, event.type === 'DELETED');
  }
}

/** Whether Kubernetes would send requests to a pod. */
export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
