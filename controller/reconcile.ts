import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../api/error.ts';
import type { ControllerRevision, Namespace, Pod } from '../api/kubernetes.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../cluster/cluster.ts';
import { controllerRevisions, pods as podResource, sidecarSets } from '../cluster/resource.ts';
import type { Happening } from '../cluster/service/recorder.ts';
import { eventsOf } from './events.ts';
import { register, toDelete, type Registration } from './revisions/history.ts';
import { conditionsOf } from './rollout/conditions.ts';
import type { Memory } from './rollout/memory.ts';
import { plan, type Plan } from './rollout/plan.ts';
import type { PodWrite } from './rollout/pod-write.ts';
import { UNSEEN_TIMEOUT, type WrittenPod } from './rollout/verdict.ts';

/** What is known of the cluster when a set is reconciled; it may be a little old. */
export interface Seen {
  /** At least the pods that carry a set. */
  pods: readonly Pod[];
  namespaces: readonly Namespace[];
  /** Of the namespace where revisions are kept. */
  revisions: readonly ControllerRevision[];
  /** Names of all sets. */
  sets: ReadonlySet<string>;
  notReadyNodes?: ReadonlySet<string>;
  /** How many pods the set matches and was never injected into, as the last census found; unknown before the first. */
  missed?: number;
}

export interface ReconcileOptions {
  cluster: Cluster;
  /** Where ControllerRevisions are kept. */
  namespace: string;
  /** Wall-clock milliseconds. */
  now: number;
  /** The pods that this controller wrote, so that what it has not seen yet is not written again; kept from call to call. */
  written: Map<string, WrittenPod>;
  /** The pods whose grant nobody took, and when it was withdrawn: they get none for a while; kept from call to call. */
  noAgent: Map<string, number>;
  /** What is known of the set's pods; kept from call to call. */
  memory?: Memory;
  /** How many pods are written at once; 1 unless told. */
  parallel?: number;
  /** Asked before each write of a pod: `false` ends the step, and what was not written is planned again at the next one. */
  mayWrite?: () => boolean;
  /** Asked when the status is not what it should be. */
  mayWriteStatus?: () => boolean;
  /** Called when the plan is made and nothing has been written yet. */
  onPlanned?: (plan: Plan) => void;
  /** Called with what people are to be told of the set. */
  onEvent?: (set: SidecarSet, event: Happening) => void;
}

/** How long a pod without an agent gets no other grant, in milliseconds. */
const NO_AGENT_REST = 300_000;

/**
 * One step of one SidecarSet's rollout: its revision, its status, and the writes that the plan asks for now. Level-based: it
 * may be called at any moment, as often as one likes, after a crash too. A write that meets a newer pod is left to the next
 * call.
 *
 * @throws ApiError of the cluster, but for conflicts and objects that are gone
 */
export async function reconcile(set: SidecarSet, seen: Seen, options: ReconcileOptions): Promise<Plan> {
  const { cluster, now, written, noAgent } = options;
  for (const [key, since] of noAgent) if (now - since >= NO_AGENT_REST) noAgent.delete(key);
  for (const [key, { at }] of written) if (now - at > UNSEEN_TIMEOUT) written.delete(key);
  const { revision, collisionCount } = await registered(set, seen.revisions, options);
  const planned = plan(set, seen.pods, {
    now,
    namespaces: seen.namespaces,
    sets: seen.sets,
    written,
    noAgent: new Set(noAgent.keys()),
    collisionCount,
    ...(options.memory && { memory: options.memory }),
    ...(revision.metadata?.name !== undefined && { controllerRevision: revision.metadata.name }),
    ...(seen.notReadyNodes && { notReadyNodes: seen.notReadyNodes }),
  });
  options.onPlanned?.(planned);
  // Side by side: the status is an answer's time less behind, and no write waits for it.
  const outcomes = await Promise.allSettled([writeStatus(set, planned, seen, options), writePods(planned, options)]);
  for (const result of outcomes) if (result.status === 'rejected') throw result.reason;
  const kept = [...seen.revisions.filter(({ metadata }) => metadata?.name !== revision.metadata?.name), revision];
  for (const { metadata } of toDelete(set, kept, new Set(planned.revisions.inUse))) {
    await settled(cluster.delete(controllerRevisions, { namespace: options.namespace, name: metadata?.name ?? '' }));
  }
  return planned;
}

/** What the plan asks for now: first what takes something back. */
async function writePods(planned: Plan, options: ReconcileOptions): Promise<void> {
  const { cluster, now, written, noAgent, parallel = 1, mayWrite = () => true } = options;
  const put = async (write: PodWrite, subresource?: 'status'): Promise<boolean> => {
    const { resourceVersion } = write;
    const options = { resourceVersion, ...(subresource && { subresource }) };
    const pod = await settled(cluster.patch<Pod & KubernetesObject>(podResource, write, write.patch, options));
    if (pod) written.set(keyOf(write), { resourceVersion: pod.metadata.resourceVersion ?? '', at: now });
    return pod !== undefined;
  };
  const each = (writes: readonly PodWrite[], act: (write: PodWrite) => Promise<unknown>): Promise<void> =>
    eachOf(writes, act, { parallel, mayWrite });
  const withdrawn = new Set<string>();
  await each(planned.withdraw, async (write) => (await put(write)) && withdrawn.add(keyOf(write)));
  for (const pod of planned.pods) {
    if (pod.verdict === 'noAgent' && withdrawn.has(keyOf(pod))) noAgent.set(keyOf(pod), now);
  }
  await each(planned.grant, (write) => put(write));
  await each(planned.upgrade, (write) => put(write));
  await each(planned.conditions, (write) => put(write, 'status'));
}

async function writeStatus(set: SidecarSet, planned: Plan, seen: Seen, options: ReconcileOptions): Promise<void> {
  const { cluster, now, mayWriteStatus = () => true } = options;
  const { injectedRevision: before, ...current } = set.status ?? {};
  const injectedRevision = injectedWhileHalted(planned, seen.revisions);
  const { missed } = seen;
  const conditions = conditionsOf(set, planned, { ...(missed !== undefined && { missed }), now });
  const status = { ...current, ...planned.status, conditions };
  if ((isDeepStrictEqual(status, current) && injectedRevision === before) || !mayWriteStatus()) return;
  const patch = { status: { ...status, injectedRevision: injectedRevision ?? null } };
  const key = { name: set.metadata.name ?? '' };
  if (!(await settled(cluster.patch(sidecarSets, key, patch, { subresource: 'status' })))) return;
  for (const event of eventsOf(set, planned, conditions)) options.onEvent?.(set, event);
}

/** The newest revision that a pod of a halted set has finished with: what new pods get. */
export function injectedWhileHalted(
  { halted, revisions: { finished } }: Pick<Plan, 'halted' | 'revisions'>,
  revisions: readonly ControllerRevision[],
): string | undefined {
  if (!halted) return undefined;
  const known = revisions.filter(({ metadata }) => finished.includes(metadata?.name ?? ''));
  return known.sort((a, b) => b.revision - a.revision)[0]?.metadata?.name;
}

type Revision = ControllerRevision & KubernetesObject;

/** Makes sure that the set's spec is its newest revision. */
async function registered(
  set: SidecarSet,
  seen: readonly ControllerRevision[],
  { cluster, namespace }: ReconcileOptions,
): Promise<Registration> {
  const known = [...seen];
  for (;;) {
    const registration = register(set, known, { namespace });
    const { action, revision, relabel } = registration;
    const key = { namespace, name: revision.metadata?.name ?? '' };
    if (action === 'create') {
      try {
        const created = await cluster.create(controllerRevisions, revision as Revision);
        return { ...registration, revision: created };
      } catch (error) {
        // Created meanwhile, or the name is taken by other data: with that one known, choose again.
        if (!hasCode(error, 'ERR_BATON_EXISTS')) throw error;
        known.push(await cluster.get<Revision>(controllerRevisions, key));
        continue;
      }
    }
    if (action === 'raise' || relabel) {
      const { revision: number, metadata } = revision;
      await cluster.patch(controllerRevisions, key, { revision: number, metadata: { labels: metadata?.labels } });
    }
    return registration;
  }
}

/** Acts on each item in turn, on several at once, until one of them fails or no more may be begun. */
async function eachOf<T>(
  items: readonly T[],
  act: (item: T) => Promise<unknown>,
  { parallel, mayWrite }: { parallel: number; mayWrite: () => boolean },
): Promise<void> {
  const rest = items.values();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (const item of rest) {
      if (failed || !mayWrite()) return;
      try {
        await act(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(parallel, items.length) }, lane));
  for (const result of lanes) if (result.status === 'rejected') throw result.reason;
}

const keyOf = ({ namespace, name }: Pick<PodWrite, 'namespace' | 'name'>): string => `${namespace}/${name}`;

/** A conflict, or an object that is gone, is no failure: the next call sees what there is. */
export async function settled<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (hasCode(error, 'ERR_BATON_CONFLICT') || hasCode(error, 'ERR_BATON_NOT_FOUND')) return undefined;
    throw error;
  }
}

const hasCode = (error: unknown, code: string): boolean => error instanceof ApiError && error.code === code;
