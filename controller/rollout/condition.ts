import { printTime } from '../../api/go-json.ts';
import type { Pod, PodCondition } from '../../api/kubernetes.ts';
import { valueOr } from '../../api/reading.ts';
import { readUpgradable, upgradableCondition, upgradableFields, type Upgradable } from '../../api/upgradable.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';

/** What a pod's condition is to say. */
export interface ConditionChange {
  set: string;
  /** Whether the set can be upgraded in place on the pod; left as it is if not given. */
  upgradable?: boolean;
  /** Names of the sets that there are: entries of others go (Q22). Without it all stay. */
  sets?: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  now: number;
}

/**
 * The patch of a pod's status that says whether a set can be upgraded in place on it (`sidecarset.md` 5.3); empty if the
 * condition says so already. A message that cannot be read is written anew.
 */
export function conditionPatch(pod: Pod, { set, upgradable, sets, now }: ConditionChange): JsonPatch {
  const { current, index, entries } = conditionOf(pod);
  const kept = new Map([...entries].filter(([name]) => sets?.has(name) ?? true));
  if (upgradable !== undefined) kept.set(set, upgradable);
  const fields = upgradableFields(kept);
  if (current?.status === fields.status && current.reason === fields.reason && current.message === fields.message) {
    return [];
  }
  const since = current?.status === fields.status ? (current.lastTransitionTime ?? null) : printTime(now);
  const value = { type: upgradableCondition, lastProbeTime: null, lastTransitionTime: since, ...fields };
  if (!pod.status?.conditions) return [{ op: 'add', path: '/status/conditions', value: [value] }];
  if (!current) return [{ op: 'add', path: '/status/conditions/-', value }];
  return [{ op: 'replace', path: `/status/conditions/${index}`, value }];
}

const isAgainst = ({ type, status }: PodCondition): boolean => type === upgradableCondition && status === 'False';

/** Whether a pod's condition says of any set that it cannot be upgraded in place. */
export const isRefused = ({ status }: Pod): boolean => status?.conditions?.some(isAgainst) ?? false;

/** Whether a refusal has a reason that is gone: this set, which the pod carries now, or one deleted. */
export function isOutdatedRefusal(pod: Pod, { set, sets }: Pick<ConditionChange, 'set' | 'sets'>): boolean {
  const { entries } = conditionOf(pod);
  return entries.get(set) === false || [...entries.keys()].some((name) => sets && !sets.has(name));
}

function conditionOf(pod: Pod): { current: PodCondition | undefined; index: number; entries: Upgradable } {
  const index = pod.status?.conditions?.findIndex(({ type }) => type === upgradableCondition) ?? -1;
  const current = pod.status?.conditions?.[index];
  return { current, index, entries: current ? valueOr(readUpgradable(current.message), new Map()) : new Map() };
}
