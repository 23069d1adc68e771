import { maxUnavailableOf, partitionOf, scaledValue } from '../../api/int-or-percent.ts';
import type { PodFacts } from './facts.ts';
import { isOverdue, isUnderWay } from './facts.ts';
import type { Subject } from './subject.ts';
import { isUnseen, type Surroundings } from './verdict.ts';

/**
 * Whether a pod counts against maxUnavailable. A pod that its agent upgrades does while it may be down (design section 4), any
 * other one when it is updated and not ready (`sidecarset.md` 4.5); what a write that is not seen yet did to it is not known. On
 * a node that is not Ready none does: nothing that the rollout does there gets on, and nothing of it is begun.
 */
export function isUnavailable(facts: PodFacts, around: Surroundings): boolean {
  const { pod, upgrade, isUpdated, isPodReady, isConsistent, isReady } = facts;
  if (around.notReadyNodes?.has(pod.spec?.nodeName ?? '')) return false;
  if (isUnseen(facts, around)) return true;
  const { phase } = upgrade ?? {};
  if (!upgrade || !isUnderWay(upgrade) || phase === 'Pulling') return isUpdated && !(isConsistent && isReady);
  const isChanging = phase === 'Upgrading' || phase === 'RollingBack';
  return (isChanging && !isOverdue(upgrade, around.now)) || (!isPodReady && (isUpdated || isChanging));
}

/** What a selection took, and what keeps a candidate that was not taken. */
export interface Selection {
  taken: ReadonlySet<PodFacts>;
  whyNot: (facts: PodFacts) => string;
}

/**
 * Takes candidates in their order, as far as partition and maxUnavailable allow (`sidecarset.md` 4.4 and 4.5). The last ones
 * stay old; a pod that is not ready (Q11), or is counted already, costs nothing. Grants that are given already come first: each
 * holds its place, also while its agent pulls images, as the agent goes on without asking again (ADR 6).
 *
 * @param ordered - the candidates
 * @param matched - how many pods the set has: what percentages are of
 * @param down - those of them that count against maxUnavailable
 */
export function select(
  ordered: readonly PodFacts[],
  { strategy, attempt }: Subject,
  { matched, down }: { matched: number; down: ReadonlySet<PodFacts> },
): Selection {
  const partition = partitionOf(strategy.partition, matched);
  const limit = maxUnavailableOf(strategy.maxUnavailable, matched);
  const first = Math.max(0, ordered.length - partition);
  const isGranted = ({ unclaimed }: PodFacts): boolean => unclaimed?.revision === attempt;
  const open = ordered.slice(0, first);
  const queue = [...open.filter(isGranted), ...open.filter((facts) => !isGranted(facts))];
  const taken = new Set<PodFacts>();
  let unavailable = down.size;
  for (const facts of queue) {
    const costs = facts.isReady && !down.has(facts);
    if (costs && unavailable >= limit) break;
    if (costs) unavailable++;
    taken.add(facts);
  }
  const kept = new Set(ordered.slice(first));
  const whyKept = `partition: ${partition} pods stay old`;
  const whyLimited = `maxUnavailable: ${unavailable} of ${limit} pods are unavailable`;
  return { taken, whyNot: (facts) => (kept.has(facts) ? whyKept : whyLimited) };
}

/** Why the rollout stands still as a whole. */
export interface Halt {
  failed: number;
  threshold: number;
}

/** Halted when failed pods reach `failureThreshold`: 1 unless the set says otherwise, never less. */
export function haltOf({ strategy }: Subject, failed: number, matched: number): Halt | undefined {
  const threshold = Math.max(1, scaledValue(strategy.failureThreshold ?? 1, matched) ?? 1);
  return failed >= threshold ? { failed, threshold } : undefined;
}
