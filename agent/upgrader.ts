import { ApiError } from '../api/error.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { pods as podResource } from '../cluster/resource.ts';
import { decide, isConcerned, setsUnderWay } from './hot-upgrade/decide.ts';
import type { Step } from './hot-upgrade/step.ts';
import type { Memory, NodeView, View } from './hot-upgrade/view.ts';

/** What the agent sees and does on its node, beside the pods' objects. */
export interface NodeAccess {
  /**
   * The state files, and what the container runtime knows where there is one. Asked only about pods that are granted or under
   * way. Rejects where the node cannot tell (`ERR_BATON_RUNTIME`, `ERR_BATON_KUBELET_ROOT` and the like): the pod is then left
   * as it is, and looked at again.
   */
  look(pod: Pod): Promise<NodeView>;
  /** Told before each round of looks which of the node's pods are under way (by uid): only their volumes are listened in. */
  attend(pods: readonly Pod[], underWay: ReadonlySet<string>): void;
  /** Begins to pull an image; what comes of it is seen at a later look. */
  pull(image: string): void;
  /** Begins to stop a container that belongs to the pod; what comes of it is seen at a later look. */
  stopContainer(pod: Pod, container: string, id: string): void;
}

export interface UpgraderOptions {
  cluster: Cluster;
  node: NodeAccess;
  /** How many pods may be upgraded at once, from the first write until Done: two copies run at once. */
  maxConcurrent: number;
  /** Wall-clock milliseconds, the node's. */
  now: () => number;
  /** Called with every step that is not just waiting, before it is taken. */
  onStep?: (pod: Pod, step: Step) => void;
  /** A pod could not be looked at, or its step not be taken: it is as it was, and is looked at again 5 s later. */
  onError: (pod: Pod, error: unknown) => void;
}

/** Carries granted upgrades out; see {@link createUpgrader}. */
export interface Upgrader {
  /**
   * One look at the node's pods, and at most one step for each. Never rejects. Resolves with the moment of the next look that
   * is needed even if nothing changes, in milliseconds since the epoch.
   */
  look(pods: readonly Pod[]): Promise<number | undefined>;
}

/** How long until a pod that could not be looked at is looked at again, in milliseconds. */
const patience = 5_000;

/**
 * The acting half of the agent: shows each pod to {@link decide} and takes the step that it answers. What it remembers of a pod
 * is only ever a convenience: another agent process goes on from the pod.
 */
export function createUpgrader({ cluster, node, maxConcurrent, now, onStep, onError }: UpgraderOptions): Upgrader {
  const memories = new Map<string, Memory>();

  /** What the node knows of a pod; what went wrong where that cannot be told. */
  const lookAt = async (pod: Pod): Promise<Look> => {
    try {
      const known = await node.look(pod);
      return { pod, view: { pod, now: now(), mayStart: false, ...known } };
    } catch (error) {
      return { pod, error };
    }
  };

  const take = async (pod: Pod, step: Step): Promise<void> => {
    if (step.do === 'nothing' || step.do === 'wait') return;
    onStep?.(pod, step);
    const { namespace = '', name = '' } = pod.metadata ?? {};
    if (step.do === 'pull') node.pull(step.image);
    if (step.do === 'stop-container') node.stopContainer(pod, step.container, step.id);
    if (step.do === 'patch') {
      const { resourceVersion } = step;
      await cluster.patch(podResource, { namespace, name }, step.patch, { resourceVersion }).catch(ignoreNewer);
    }
  };

  return {
    async look(pods) {
      const seen = new Set(pods.map(uidOf));
      for (const uid of memories.keys()) if (!seen.has(uid)) memories.delete(uid);
      const concerned = pods.filter((pod) => isConcerned(pod, now()));
      node.attend(pods, new Set(concerned.filter((pod) => isUnderWay(pod, now())).map(uidOf)));
      const looks = await Promise.all(concerned.map(lookAt));
      const views = new Map(looks.map(({ pod, view }) => [pod, view]));
      let places = maxConcurrent - pods.filter((pod) => isUnderWay(pod, now(), views.get(pod))).length;
      let next: number | undefined;
      const again = (when: number): void => void (next = Math.min(next ?? Infinity, when));
      for (const { pod, view, error } of looks) {
        try {
          if (!view) throw error;
          const memory = memories.get(uidOf(pod)) ?? { firstLookAt: view.now };
          const decision = decide({ ...view, mayStart: places > 0 }, memory);
          const { step } = decision;
          memories.set(uidOf(pod), decision.memory);
          if (step.do === 'wait' || step.do === 'degraded') again(step.again);
          if (step.do === 'patch' && !isUnderWay(pod, view.now, view)) places -= 1;
          await take(pod, step);
        } catch (error) {
          onError(pod, error);
          again(now() + patience);
        }
      }
      return next;
    },
  };
}

interface Look {
  pod: Pod;
  view?: View;
  error?: unknown;
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

/** With the runtime's eyes, where it can be asked. */
function isUnderWay(pod: Pod, now: number, view?: View): boolean {
  return setsUnderWay(view ?? { pod, now, mayStart: false, stateFiles: new Map() }).length > 0;
}

/** Somebody wrote the pod, or it is gone: the next look sees what there is. */
function ignoreNewer(error: unknown): void {
  if (error instanceof ApiError && ['ERR_BATON_CONFLICT', 'ERR_BATON_NOT_FOUND'].includes(error.code)) return;
  throw error;
}
