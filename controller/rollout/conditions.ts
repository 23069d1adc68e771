import { printTime } from '../../api/go-json.ts';
import { partitionOf } from '../../api/int-or-percent.ts';
import type { SidecarSet, SidecarSetCondition } from '../../api/sidecar-set.ts';
import type { Plan } from './plan.ts';
import type { Verdict } from './verdict.ts';

type Stated = Pick<SidecarSetCondition, 'status' | 'reason' | 'message'>;

/**
 * What a set's status says of its rollout in words: `Progressing` (does anything still happen by itself?), `Halted` (did too
 * many pods fail?) and `Degraded` (is there something that nobody but a person can mend?). The time of a condition changes
 * with its status only.
 *
 * @param missed - how many running pods the set matches and was never injected into; unknown, what was said of them stays
 * @param now - milliseconds since the epoch
 */
export function conditionsOf(
  set: SidecarSet,
  plan: Pick<Plan, 'pods' | 'matched' | 'halted' | 'status'>,
  { missed, now }: { missed?: number; now: number },
): SidecarSetCondition[] {
  const counts = countVerdicts(plan);
  const stated: Record<string, Stated> = {
    Progressing: progressing(set, plan, counts),
    Halted: halted(plan),
    Degraded: degraded(counts, missed, set),
  };
  return Object.entries(stated).map(([type, next]) => {
    const before = set.status?.conditions?.find((condition) => condition.type === type);
    return {
      type,
      ...next,
      observedGeneration: set.metadata.generation ?? 0,
      lastTransitionTime: before?.status === next.status ? before.lastTransitionTime : printTime(now),
    };
  });
}

/** Whether pods are being upgraded or wait for others: it is neither complete, paused or halted, nor kept back by its partition. */
export const isUpgrading = (set: SidecarSet, plan: Pick<Plan, 'pods' | 'matched' | 'halted' | 'status'>): boolean =>
  progressing(set, plan, countVerdicts(plan)).reason === 'Upgrading';

type Counts = ReadonlyMap<Verdict, number>;

function countVerdicts({ pods }: Pick<Plan, 'pods'>): Counts {
  const counts = new Map<Verdict, number>();
  for (const { verdict } of pods) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  return counts;
}

const sum = (counts: Counts, ...verdicts: Verdict[]): number =>
  verdicts.reduce((total, verdict) => total + (counts.get(verdict) ?? 0), 0);

function progressing(
  { spec: { updateStrategy: strategy = {} } }: SidecarSet,
  { matched, halted, status }: Pick<Plan, 'matched' | 'halted' | 'status'>,
  counts: Counts,
): Stated {
  const { matchedPods, updatedPods, updatedReadyPods } = status;
  const figures = `${updatedPods} of ${matchedPods} pods are updated, ${updatedReadyPods} of them ready`;
  const stands = (reason: string, why = ''): Stated => ({ status: 'False', reason, message: `${figures}${why}` });
  const waiting = sum(counts, 'waiting');
  const underWay = sum(counts, 'upgrade', 'grant', 'upgrading');
  if (underWay === 0 && waiting === 0) {
    if (updatedPods === matchedPods) {
      return updatedReadyPods === matchedPods
        ? stands('Complete')
        : { status: 'True', reason: 'NotReady', message: figures };
    }
    return stands('NothingToDo', '; the others are not for this rollout (see Degraded)');
  }
  const kept = partitionOf(strategy.partition, matched.length);
  if (underWay === 0) {
    if (strategy.type === 'NotUpdate') return stands('NotUpdate', '; updateStrategy.type is NotUpdate');
    if (strategy.paused) return stands('Paused', `; ${waiting} wait until updateStrategy.paused is taken back`);
    if (halted) return stands('Halted', `; ${waiting} wait`);
    if (waiting <= kept) return stands('Partition', `; ${waiting} stay old: updateStrategy.partition`);
  }
  const message = `${figures}; ${underWay} are being upgraded, ${waiting} wait`;
  return { status: 'True', reason: 'Upgrading', message };
}

function halted({ halted: halt }: Pick<Plan, 'halted'>): Stated {
  if (!halt) return { status: 'False', reason: 'BelowThreshold', message: 'fewer pods failed than failureThreshold' };
  return {
    status: 'True',
    reason: 'FailureThreshold',
    message:
      `${halt.failed} pods failed, the threshold is ${halt.threshold}: see their events; ` +
      'publish another version, or change the annotation baton.dev/resume to try them again',
  };
}

function degraded(counts: Counts, missed: number | undefined, { status }: SidecarSet): Stated {
  const troubles: [reason: string, count: number, what: string][] = [
    ['Failed', sum(counts, 'failed'), 'failed and were rolled back'],
    ['NoAgent', sum(counts, 'noAgent'), 'have a node whose agent takes no grants'],
    ['Blocked', sum(counts, 'blocked'), 'cannot be upgraded until somebody looks at them'],
    ['NotUpgradable', sum(counts, 'notUpgradable'), 'differ in more than images: the new spec comes with a new pod'],
    ['NotInjected', missed ?? 0, 'match and were never injected: delete them to get the sidecars'],
  ];
  const found = troubles.filter(([, count]) => count > 0);
  const before = status?.conditions?.find(({ type }) => type === 'Degraded');
  if (found.length === 0 && missed === undefined && before?.reason === 'NotInjected') {
    return { status: before.status, reason: before.reason, message: before.message };
  }
  if (found.length === 0) return { status: 'False', reason: 'AsExpected', message: 'no pod needs attention' };
  return {
    status: 'True',
    reason: found[0]?.[0] ?? '',
    message: found.map(([, count, what]) => `${count} pods ${what}`).join('; '),
  };
}
