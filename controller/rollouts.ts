import type { Pod } from '../api/kubernetes.ts';
import { readInjectedList } from '../api/pod-annotations.ts';
import { injectedLabel, injectedListKey } from '../api/pod-contract.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import type { Cluster, KubernetesObject, Page } from '../cluster/cluster.ts';
import { createQueue } from '../cluster/kubernetes/queue.ts';
import { pods as podResource } from '../cluster/resource.ts';
import type { Happening } from '../cluster/service/recorder.ts';
import { reconcile, settled } from './reconcile.ts';
import { hasUnclaimedGrant, withdrawal } from './rollout/grants.ts';
import { createMemory, type Memory } from './rollout/memory.ts';
import type { Plan } from './rollout/plan.ts';
import type { WrittenPod } from './rollout/verdict.ts';
import { isSameButStatus, type Watched } from './watched.ts';

export interface RolloutsOptions {
  cluster: Cluster;
  /** Where ControllerRevisions are kept. */
  namespace: string;
  watched: Watched;
  /** How many pods missed a set, as the last census found; undefined before the first. */
  missed?: (set: string) => number | undefined;
  /** Wall-clock milliseconds. */
  now: () => number;
  /** How many pods of a set are written at once. */
  parallel: number;
  /** Told of each step that was taken. */
  onStep?: (set: SidecarSet, plan: Plan) => void;
  /** Told what people are to be told of a set. */
  onEvent?: (set: SidecarSet, event: Happening) => void;
  /** Told of a set that is gone. */
  onGone?: (set: string) => void;
  /** Told how long each step waited and took, in milliseconds. */
  onDone?: (times: { waited: number; worked: number }) => void;
  /** Told of each step that failed; it is taken again. */
  onFailure: (set: string, error: unknown, retryIn: number) => void;
}

/** The rollouts of all sets, as long as this replica leads. */
export interface Rollouts {
  /** A set is to be looked at: at once when it changed itself, a little later when its pods did, for all of them together. */
  look: (set: string, when: 'now' | 'soon') => void;
  /** Sets that wait for their step. */
  length: () => number;
  /**
   * Ends, when the writes under way have been answered.
   *
   * @param withdrawWith - with it, grants that nobody has claimed are taken back last: agents would still take them
   */
  stop: (withdrawWith?: Cluster) => Promise<void>;
}

/** Sets that are worked on at the same time. */
const WORKERS = 4;
/** How long pods' events are gathered, in milliseconds: so many times as long as a plan takes, so that planning is a small part of all. */
const GATHERING = { least: 50, most: 1000, plans: 20 };
/** The status is written this often at most, in milliseconds. */
const STATUS_EVERY = 1000;
/** How long a step writes before the next plan, in milliseconds: as long as a status is true. */
const WRITING = STATUS_EVERY;
/** When to look again though nothing happened, in milliseconds: grants and upgrades become late, rests end. */
const AGAIN = { granted: 5_000, underWay: 60_000, quiet: 600_000 };

/** What is known of a set from step to step. */
interface Kept {
  memory: Memory;
  /** How long its pods' events are gathered now. */
  gathering: number;
  /** Of `performance.now`, like the clock of all that is measured here. */
  statusWrittenAt: number;
}

/** Takes steps of every set's rollout, one step of a set at a time. */
export function runRollouts(options: RolloutsOptions): Rollouts {
  const { cluster, namespace, watched, missed, now, parallel, onStep, onEvent, onGone, onDone, onFailure } = options;
  const written = new Map<string, WrittenPod>();
  const noAgent = new Map<string, number>();
  const kept = new Map<string, Kept>();
  let stopped = false;

  const step = async (name: string): Promise<number | undefined> => {
    const set = watched.set(name);
    const seen = watched.seenFor(name);
    if (!set || set.metadata.deletionTimestamp) {
      kept.delete(name);
      onGone?.(name);
      for (const pod of seen.pods) if (!stopped) await withdraw(cluster, pod, name);
      return undefined;
    }
    let again = AGAIN.quiet;
    const mine = kept.get(name) ?? { memory: createMemory(), gathering: GATHERING.least, statusWrittenAt: -Infinity };
    kept.set(name, mine);
    const cut = { short: false };
    const began = performance.now();
    const count = missed?.(name);
    const plan = await reconcile(set, count === undefined ? seen : { ...seen, missed: count }, {
      cluster,
      namespace,
      now: now(),
      written,
      noAgent,
      memory: mine.memory,
      parallel,
      ...(onEvent && { onEvent }),
      mayWrite() {
        const current = watched.set(name);
        const may =
          !stopped && performance.now() - began < WRITING && current !== undefined && isSameButStatus(current, set);
        cut.short ||= !may;
        return may;
      },
      mayWriteStatus() {
        const rest = mine.statusWrittenAt + STATUS_EVERY - performance.now();
        if (rest > 0) again = Math.min(again, rest);
        else mine.statusWrittenAt = performance.now();
        return rest <= 0;
      },
      onPlanned() {
        const time = GATHERING.plans * (performance.now() - began);
        mine.gathering = Math.min(GATHERING.most, Math.max(GATHERING.least, time));
      },
    });
    onStep?.(set, plan);
    const verdicts = new Set(plan.pods.map(({ verdict }) => verdict));
    if (cut.short) return 0;
    if (verdicts.has('grant')) again = Math.min(again, AGAIN.granted);
    if (verdicts.has('noAgent') || verdicts.has('upgrading')) again = Math.min(again, AGAIN.underWay);
    return again;
  };

  const queue = createQueue({ work: step, workers: WORKERS, onFailure, onDone: (_, times) => onDone?.(times) });
  for (const { metadata } of watched.sets()) queue.add(metadata.name ?? '');
  return {
    look(set, when) {
      if (when === 'now') queue.add(set);
      else queue.addAfter(set, kept.get(set)?.gathering ?? GATHERING.least);
    },
    length: () => queue.length,
    async stop(withdrawWith) {
      stopped = true;
      await queue.stop();
      if (withdrawWith) await withdrawAll(withdrawWith);
    },
  };
}

/** The set is not to be rolled out: what nobody has claimed is taken back, what an agent has claimed ends by itself. */
async function withdraw(cluster: Cluster, pod: Pod, name: string): Promise<void> {
  if (!hasUnclaimedGrant(pod, name)) return;
  const { patch, resourceVersion, ...key } = withdrawal(pod, { name });
  await settled(cluster.patch(podResource, key, patch, { resourceVersion }));
}

/** Of all sets, on the pods as the API server has them: a watch may not have told of the last grants yet. */
async function withdrawAll(cluster: Cluster): Promise<void> {
  const labels = { matchLabels: { [injectedLabel]: 'true' } };
  let next: string | undefined;
  do {
    const page: Page<Pod & KubernetesObject> = await cluster.list(podResource, {
      labels,
      limit: 500,
      ...(next && { next }),
    });
    for (const pod of page.items) {
      for (const name of readInjectedList(pod.metadata.annotations?.[injectedListKey])) {
        await withdraw(cluster, pod, name);
      }
    }
    next = page.next;
  } while (next !== undefined);
}
