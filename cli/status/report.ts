import { partitionOf } from '../../api/int-or-percent.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { readHashes } from '../../api/pod-annotations.ts';
import { hashKey } from '../../api/pod-contract.ts';
import type { SidecarSet, SidecarSetCondition } from '../../api/sidecar-set.ts';
import { conditionsOf } from '../../controller/rollout/conditions.ts';
import type { PodFacts } from '../../controller/rollout/facts.ts';
import { createMemory, type Memory } from '../../controller/rollout/memory.ts';
import { plan, type Context, type Plan } from '../../controller/rollout/plan.ts';
import { adviceFor } from './advice.ts';
import { phaseOfPod, phases, troubles, underWay, type Phase } from './phase.ts';

/** How the rollout of one set fares; what `baton status -o json` prints, described in `docs/status.md`. */
export interface SetReport {
  name: string;
  generation: number;
  /** Whether the controller has seen this generation. */
  observed: boolean;
  /** The newest revision, as the controller named it. */
  revision: string;
  /** What the condition Progressing says, of the pods as they are now. */
  state: string;
  message: string;
  /** Whether something still happens by itself. */
  goesOn: boolean;
  /** Whether it is halted, or something is as only a person can mend it. */
  needsAttention: boolean;
  pods: { matched: number; updated: number; ready: number; updatedReady: number };
  /** How many pods are in each phase; those without pods are left out. */
  phases: Partial<Record<Phase, number>>;
  /** Why pods wait, the most frequent reason first. */
  waiting: { reason: string; count: number }[];
  /** Pods that something is being done to. */
  underWay: PodReport[];
  /** Pods that need somebody. */
  troubles: PodReport[];
  halted?: { failed: number; threshold: number };
  /** As the controller wrote them. */
  conditions: SidecarSetCondition[];
  /** Seconds until all pods that may be are updated, at the pace of those before; left out where there is none to tell by. */
  etaSeconds?: number;
  /** What to do next, where somebody has to. */
  next: string[];
}

export interface PodReport {
  namespace: string;
  name: string;
  node: string;
  phase: Phase;
  reason: string;
}

/** What is known besides the set. */
export interface Seen extends Pick<Context, 'namespaces' | 'notReadyNodes'> {
  pods: readonly Pod[];
  /** Kept from report to report of one set; see {@link Memory}. */
  memory?: Memory;
  /** Milliseconds since the epoch. */
  now: number;
}

/**
 * Says how a set's rollout fares, from what is seen now; decides nothing of its own but what the controller decides.
 *
 * @param set - as `v1beta1`, as the cluster has it
 * @throws ApiError `ERR_BATON_SELECTOR` if `spec.selector` has an unknown operator
 */
export function reportOf(set: SidecarSet, { pods, memory = createMemory(), ...around }: Seen): SetReport {
  const { now } = around;
  const planned = plan(set, pods, { ...around, memory });
  const found = podReports(planned, pods, memory);
  const counts: SetReport['phases'] = {};
  for (const { report } of found) counts[report.phase] = (counts[report.phase] ?? 0) + 1;
  const { metadata, status } = set;
  const generation = metadata.generation ?? 0;
  const observed = (status?.observedGeneration ?? 0) >= generation;
  const isBusy = underWay.some((phase) => (counts[phase] ?? 0) > 0);
  const stored = status?.conditions ?? [];
  const progress = progressOf(set, planned, { stored: observed && !isBusy ? stored : [], now });
  const goesOn = progress.status === 'True' || !observed;
  const degraded = stored.find(({ type }) => type === 'Degraded');
  const inTrouble = found.filter(({ report }) => troubles.includes(report.phase)).map(({ report }) => report);
  const eta = progress.status === 'True' ? etaOf(set, found, { now, counts }) : undefined;
  const { matchedPods, updatedPods, readyPods, updatedReadyPods } = planned.status;
  const report: Omit<SetReport, 'next'> = {
    name: metadata.name ?? '',
    generation,
    observed,
    revision: status?.latestRevision ?? '',
    state: progress.reason,
    message: progress.message,
    goesOn,
    needsAttention: planned.halted !== undefined || inTrouble.length > 0 || degraded?.status === 'True',
    pods: { matched: matchedPods, updated: updatedPods, ready: readyPods, updatedReady: updatedReadyPods },
    phases: Object.fromEntries(phases.flatMap((phase) => (counts[phase] ? [[phase, counts[phase]]] : []))),
    waiting: frequent(found.flatMap(({ report: { phase, reason } }) => (phase === 'waiting' ? [reason] : []))),
    underWay: found.filter(({ report }) => underWay.includes(report.phase)).map((pod) => pod.report),
    troubles: inTrouble,
    ...(planned.halted && { halted: planned.halted }),
    conditions: stored,
    ...(eta !== undefined && { etaSeconds: eta }),
  };
  return { ...report, next: adviceFor(report) };
}

interface Found {
  report: PodReport;
  facts: PodFacts;
}

function podReports(planned: Plan, pods: readonly Pod[], { found }: Memory): Found[] {
  return planned.pods.flatMap(({ namespace, name, verdict, reason }, index) => {
    const pod = pods[index];
    const looked = pod && found.get(pod);
    if (!looked || !('facts' in looked)) return [];
    const phase = phaseOfPod(verdict, looked.facts);
    if (phase === undefined) return [];
    const report = { namespace, name, node: pod.spec?.nodeName ?? '', phase, reason };
    return [{ report, facts: looked.facts }];
  });
}

/**
 * The condition Progressing for the pods as they are now, with one exception: who took no grant is known to the controller alone,
 * so that nothing more is to be done is believed.
 */
function progressOf(
  set: SidecarSet,
  planned: Plan,
  { stored, now }: { stored: readonly SidecarSetCondition[]; now: number },
): Pick<SidecarSetCondition, 'status' | 'reason' | 'message'> {
  const told = stored.find(({ type, reason }) => type === 'Progressing' && reason === 'NothingToDo');
  const [fresh] = conditionsOf(set, planned, { now });
  return told ?? fresh ?? { status: 'Unknown', reason: 'Unknown', message: '' };
}

/** How many of the last upgrades tell the pace, and how many it takes to tell one. */
const PACE = { most: 100, least: 3 };

/** How long the rest takes at the pace of the last upgrades; a standstill slows it down. Pods that were injected so tell nothing. */
function etaOf(
  { metadata: { name = '' }, spec }: SidecarSet,
  found: readonly Found[],
  { now, counts }: { now: number; counts: SetReport['phases'] },
): number | undefined {
  const waiting = counts.waiting ?? 0;
  const kept = Math.min(waiting, partitionOf(spec.updateStrategy?.partition, found.length));
  const rest = waiting - kept + underWay.reduce((sum, phase) => sum + (counts[phase] ?? 0), 0);
  const times = found
    .flatMap(({ facts }) => (facts.isUpdated ? (upgradedAt(facts.pod, name) ?? []) : []))
    .sort((a, b) => b - a)
    .slice(0, PACE.most);
  const first = times.at(-1);
  if (first === undefined || times.length < PACE.least || rest === 0 || now <= first) return undefined;
  return Math.ceil((rest * (now - first)) / times.length / 1000);
}

/** When the set's hash on a pod was written, in milliseconds since the epoch; undefined for a pod that was created with it. */
function upgradedAt({ metadata }: Pod, set: string): number | undefined {
  const hashes = readHashes(metadata?.annotations?.[hashKey]);
  const text = 'problem' in hashes ? null : hashes.value.get(set)?.updateTimestamp;
  const at = Date.parse(text ?? '');
  return at > Date.parse(metadata?.creationTimestamp ?? '') + 1000 ? at : undefined;
}

function frequent(reasons: readonly string[]): SetReport['waiting'] {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count);
}
