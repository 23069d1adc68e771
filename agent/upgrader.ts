import { ApiError } from '../api/error.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../cluster/cluster.ts';
import { pods as podResource } from '../cluster/resource.ts';
import { decide, isConcerned, isUnderWay } from './hot-upgrade/decide.ts';
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
  /** Told whenever that changes which of the node's pods are under way (by uid): only their volumes are listened in. */
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
  /** Asked before an upgrade begins: why none may, in words for people. */
  pressure?: () => Promise<string | undefined>;
  /** Told of each look, and of the step that is about to be taken. */
  onLook?: (view: View, step: Step, memory: Memory) => void;
  /** Told that other pods are under way than before. */
  onUnderWay?: () => void;
  /** Told that there is room for this pod, which had to wait. */
  onRoom?: (pod: Pod) => void;
}

/** Carries granted upgrades out; see {@link createUpgrader}. */
export interface Upgrader {
  /** The pods that hold a place, by uid. */
  readonly underWay: ReadonlySet<string>;
  /** How many pods wait for a place. */
  readonly waiting: number;
  /** Takes notice of a pod before any is looked at: one whose upgrade is under way holds its place. */
  meet(pod: Pod): void;
  /**
   * One look at a pod, and at most one step; never twice at once for the same pod. Resolves with the moment of the next look
   * that is needed even if nothing changes, in milliseconds since the epoch.
   *
   * @throws what the node or the cluster said, but for conflicts and pods that are gone: the pod is as it was
   */
  look(pod: Pod): Promise<number | undefined>;
  /** The pod is gone. */
  forget(uid: string): void;
}

/** How long until pressure on the node is looked at again, in milliseconds. */
const PRESSURE_AGAIN = 10_000;

/**
 * The acting half of the agent: shows each pod to {@link decide} and takes the step that it answers. What it remembers of a pod
 * is only ever a convenience: another agent process goes on from the pod.
 */
export function createUpgrader(options: UpgraderOptions): Upgrader {
  const { cluster, node, maxConcurrent, now, pressure, onLook, onUnderWay, onRoom } = options;
  const memories = new Map<string, Memory>();
  const underWay = new Set<string>();
  /** Those that had to wait, in that order. */
  const waiting = new Map<string, Pod>();
  /** What was written last, until the watch brings it: by the pod that it was computed from. */
  const written = new Map<string, { from: string; pod: Pod }>();

  const hold = (uid: string, holds: boolean): void => {
    if (underWay.has(uid) === holds) return;
    if (holds) underWay.add(uid);
    else underWay.delete(uid);
    onUnderWay?.();
  };

  const giveRoom = (): void => {
    const [next] = waiting;
    if (!next || underWay.size >= maxConcurrent) return;
    const [uid, pod] = next;
    waiting.delete(uid);
    onRoom?.(pod);
  };

  const take = async (pod: Pod, step: Step): Promise<void> => {
    const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
    if (step.do === 'pull') node.pull(step.image);
    if (step.do === 'stop-container') node.stopContainer(pod, step.container, step.id);
    if (step.do !== 'patch') return;
    const { resourceVersion } = step;
    try {
      const key = { namespace, name };
      const after = await cluster.patch<Pod & KubernetesObject>(podResource, key, step.patch, { resourceVersion });
      written.set(uid, { from: resourceVersion, pod: after });
    } catch (error) {
      // Somebody wrote the pod, or it is gone: the next look sees what there is.
      const isOld = error instanceof ApiError && ['ERR_BATON_CONFLICT', 'ERR_BATON_NOT_FOUND'].includes(error.code);
      if (!isOld) throw error;
    }
  };

  const newest = (pod: Pod): Pod => {
    const known = written.get(uidOf(pod));
    if (known && known.from === pod.metadata?.resourceVersion) return known.pod;
    written.delete(uidOf(pod));
    return pod;
  };

  /** What to do, a place being taken for what begins now. */
  const chosen = async (seen: Omit<View, 'mayStart'>): Promise<{ view: View; step: Step; again?: number }> => {
    const uid = uidOf(seen.pod);
    const memory = memories.get(uid) ?? { firstLookAt: seen.now };
    const isBusy = isUnderWay({ ...seen, mayStart: false });
    hold(uid, isBusy);
    waiting.delete(uid);
    const view: View = { ...seen, mayStart: isBusy || underWay.size < maxConcurrent };
    const decision = decide(view, memory);
    memories.set(uid, decision.memory);
    if (!isBusy && !view.mayStart && decision.step.do === 'wait') waiting.set(uid, seen.pod);
    if (isBusy || decision.step.do !== 'patch') return { view, step: decision.step };
    hold(uid, true);
    const heldBack = await pressure?.();
    if (heldBack === undefined) return { view, step: decision.step };
    hold(uid, false);
    const held: View = { ...seen, mayStart: false, heldBack };
    return { view: held, step: decide(held, memory).step, again: seen.now + PRESSURE_AGAIN };
  };

  return {
    underWay,
    get waiting() {
      return waiting.size;
    },
    meet(pod) {
      if (isUnderWay({ pod, now: now(), mayStart: false, stateFiles: new Map() })) hold(uidOf(pod), true);
    },
    async look(known) {
      const pod = newest(known);
      try {
        const nodeView = isConcerned(pod, now()) ? await node.look(pod) : { stateFiles: new Map() };
        const { view, step, again } = await chosen({ pod, now: now(), ...nodeView });
        onLook?.(view, step, memories.get(uidOf(pod)) ?? { firstLookAt: view.now });
        await take(pod, step);
        return step.do === 'wait' || step.do === 'degraded' ? Math.min(step.again, again ?? Infinity) : undefined;
      } finally {
        giveRoom();
      }
    },
    forget(uid) {
      memories.delete(uid);
      written.delete(uid);
      waiting.delete(uid);
      hold(uid, false);
      giveRoom();
    },
  };
}

/** One look at each of a node's pods. Resolves and rejects as a look at one does. */
export async function lookAtAll(upgrader: Upgrader, pods: readonly Pod[]): Promise<number | undefined> {
  const present = new Set(pods.map(uidOf));
  for (const uid of upgrader.underWay) if (!present.has(uid)) upgrader.forget(uid);
  for (const pod of pods) upgrader.meet(pod);
  let next: number | undefined;
  for (const pod of pods) {
    const again = await upgrader.look(pod);
    if (again !== undefined) next = Math.min(next ?? Infinity, again);
  }
  return next;
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';
