import type { ExecutionContext } from 'ava';
import type { Pod, PodSpec } from '../../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { pods } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import type { Access } from '../control-plane/api.ts';
import { accessOf, makeNamespace } from '../control-plane/namespace.ts';
import { connect } from '../kubernetes/connect.ts';
import type { NodeFacts } from './node.ts';
import type { ClusterFacts } from './start.ts';

export type WirePod = Pod & KubernetesObject;

/** A namespace of one test's own on a cluster with nodes, and what tests do in it. */
export interface NodeScene {
  admin: Access;
  /** An administrator's client. */
  cluster: Cluster;
  node: NodeFacts;
  namespace: string;
  /** Creates a pod on the node, with 2 s of grace unless its spec says otherwise. */
  createPod: (name: string, spec: PodSpec, labels?: Record<string, string>) => Promise<WirePod>;
  /** Waits until the pod is so; a failure has its status. */
  untilPod: (what: string, name: string, holds: (pod: WirePod) => boolean, ms?: number) => Promise<WirePod>;
  /** Patches the image of a container. */
  setImage: (name: string, container: string, image: string) => Promise<WirePod>;
}

/** Pods start in a second; a busy machine takes its time. */
const TIMEOUT_MS = 60_000;

export async function nodeScene(t: ExecutionContext, facts: ClusterFacts, index = 0): Promise<NodeScene> {
  const node = facts.nodes[index];
  if (!node) throw new Error(`the cluster has no node ${index}`);
  const cluster = connect(facts);
  const namespace = await makeNamespace(t, facts);
  return {
    admin: accessOf(facts),
    cluster,
    node,
    namespace,
    createPod: (name, spec, labels = {}) =>
      cluster.create<WirePod>(pods, {
        metadata: { namespace, name, labels },
        spec: { terminationGracePeriodSeconds: 2, nodeName: node.name, ...spec },
      }),
    async untilPod(what, name, holds, ms = TIMEOUT_MS) {
      let seen: WirePod | undefined;
      const look = async (): Promise<WirePod | undefined> => {
        seen = await cluster.get<WirePod>(pods, { namespace, name });
        return holds(seen) ? seen : undefined;
      };
      return until(what, look, ms).catch((error: unknown) => {
        throw new Error(`${what}: ${JSON.stringify([seen?.metadata.annotations, seen?.status])}`, { cause: error });
      });
    },
    async setImage(name, container, image) {
      const { spec } = await cluster.get<WirePod>(pods, { namespace, name });
      // The order of containers never changes.
      const at = spec?.containers.findIndex((one) => one.name === container) ?? -1;
      const path = `/spec/containers/${at}/image`;
      return cluster.patch<WirePod>(pods, { namespace, name }, [{ op: 'replace', path, value: image }]);
    },
  };
}

export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;

/** The status of one of its containers. */
export const containerOf = (pod: Pod, name: string) =>
  [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (status) => status.name === name,
  );
