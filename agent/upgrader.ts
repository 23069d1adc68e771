import { ApiError } from '../api/error.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { pods as podResource } from '../cluster/resource.ts';
import { decide, setsUnderWay } from './hot-upgrade/decide.ts';
import type { Step } from './hot-upgrade/step.ts';
import type { Memory, View } from './hot-upgrade/view.ts';

/** What the agent sees and does on its node, beside the pods' objects. */
export interface NodeAccess {
  /** The state files, and what the container runtime knows where there is one. */
  look(pod: Pod): Pick<View, 'stateFiles' | 'runtime' | 'images' | 'kubeletStartedAt'>;
  /** Begins to pull an image; what comes of it is seen at the next look. */
  pull(image: string): void;
  stopContainer(pod: Pod, container: string, id: string): Promise<void>;
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
}

/** Carries granted upgrades out; see {@link createUpgrader}. */
export interface Upgrader {
  /**
   * One look at the node's pods, and at most one step for each. Resolves with the moment of the next look that is needed even
   * if nothing changes, in milliseconds since the epoch.
   */
  look(pods: readonly Pod[]): Promise<number | undefined>;
}

/**
 * The acting half of the agent: shows each pod to {@link decide} and takes the step that it answers. What it remembers of a pod
 * is only ever a convenience: another agent process goes on from the pod.
 */
export function createUpgrader({ cluster, node, maxConcurrent, now, onStep }: UpgraderOptions): Upgrader {
  const memories = new Map<string, Memory>();

  const isUnderWay = (pod: Pod): boolean => {
    return setsUnderWay({ pod, now: now(), mayStart: false, ...node.look(pod) }).length > 0;
  };

  const take = async (pod: Pod, step: Step): Promise<void> => {
    if (step.do === 'nothing' || step.do === 'wait') return;
    onStep?.(pod, step);
    const { namespace = '', name = '' } = pod.metadata ?? {};
    if (step.do === 'pull') node.pull(step.image);
    if (step.do === 'stop-container') await node.stopContainer(pod, step.container, step.id);
    if (step.do === 'patch') {
      const { resourceVersion } = step;
      await cluster.patch(podResource, { namespace, name }, step.patch, { resourceVersion }).catch(ignoreNewer);
    }
  };

  return {
    async look(pods) {
      const seen = new Set(pods.map(({ metadata }) => metadata?.uid ?? ''));
      for (const uid of memories.keys()) if (!seen.has(uid)) memories.delete(uid);
      let places = maxConcurrent - pods.filter(isUnderWay).length;
      let next: number | undefined;
      for (const pod of pods) {
        const uid = pod.metadata?.uid ?? '';
        const view: View = { pod, now: now(), mayStart: places > 0, ...node.look(pod) };
        const { step, memory } = decide(view, memories.get(uid) ?? { firstLookAt: now() });
        memories.set(uid, memory);
        if (step.do === 'wait' || step.do === 'degraded') next = Math.min(next ?? Infinity, step.again);
        if (step.do === 'patch' && !isUnderWay(pod)) places -= 1;
        await take(pod, step);
      }
      return next;
    },
  };
}

/** Somebody wrote the pod, or it is gone: the next look sees what there is. */
function ignoreNewer(error: unknown): void {
  if (error instanceof ApiError && ['ERR_BATON_CONFLICT', 'ERR_BATON_NOT_FOUND'].includes(error.code)) return;
  throw error;
}
