import type { SidecarSet, SidecarSetStatus } from '../../api/sidecar-set.ts';
import type { PodFacts } from './facts.ts';

/** The figures of a status. */
export type Counts = Required<Omit<SidecarSetStatus, 'conditions' | 'injectedRevision'>>;

/** The figures of a set as its pods are now (`sidecarset.md` 5.1), before what is done next. */
export function statusOf(
  { metadata, status }: SidecarSet,
  matched: readonly PodFacts[],
  { controllerRevision, collisionCount }: { controllerRevision?: string; collisionCount?: number },
): Counts {
  const count = (isCounted: (facts: PodFacts) => boolean): number =>
    matched.reduce((counted, facts) => counted + (isCounted(facts) ? 1 : 0), 0);
  return {
    observedGeneration: metadata.generation ?? 0,
    matchedPods: matched.length,
    updatedPods: count(({ isUpdated }) => isUpdated),
    readyPods: count(({ isConsistent, isReady }) => isConsistent && isReady),
    updatedReadyPods: count(({ isConsistent, isReady, isUpdated }) => isConsistent && isReady && isUpdated),
    latestRevision: controllerRevision ?? status?.latestRevision ?? '',
    collisionCount: collisionCount ?? status?.collisionCount ?? 0,
  };
}

/** Whether a status is worth a write: the generation grew, or a figure differs. */
export function isNews({ status }: SidecarSet, next: Counts): boolean {
  const { observedGeneration, ...figures } = next;
  if (observedGeneration > (status?.observedGeneration ?? 0)) return true;
  const current: Partial<Counts> = status ?? {};
  return Object.entries(figures).some(
    ([field, value]) => (current[field as keyof typeof figures] ?? empty(value)) !== value,
  );
}

const empty = (value: string | number): string | number => (typeof value === 'string' ? '' : 0);
