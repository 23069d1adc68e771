import { isUnderWay, type PodFacts } from '../../controller/rollout/facts.ts';
import type { Verdict } from '../../controller/rollout/verdict.ts';

/** Where pods of a set can be in its rollout, in the order in which they go through it; then those that do not. */
export const phases = [
  'waiting',
  'granted',
  'pulling',
  'upgrading',
  'soaking',
  'resetting',
  'rollingBack',
  'restarting',
  'updated',
  'failed',
  'noAgent',
  'blocked',
  'notUpgradable',
  'notSelected',
] as const;

export type Phase = (typeof phases)[number];

/** Pods that something is being done to. */
export const underWay: readonly Phase[] = [
  'granted',
  'pulling',
  'upgrading',
  'soaking',
  'resetting',
  'rollingBack',
  'restarting',
];
/** Pods that need somebody. */
export const troubles: readonly Phase[] = ['failed', 'noAgent', 'blocked', 'notUpgradable'];

/** The phase of a pod of the set; undefined for one that is not the set's. */
export function phaseOfPod(verdict: Verdict, facts: PodFacts): Phase | undefined {
  const { upgrade, unclaimed, isConsistent, isReady } = facts;
  switch (verdict) {
    case 'unmatched':
      return undefined;
    case 'updated':
      return isConsistent && isReady ? 'updated' : 'restarting';
    case 'upgrading':
      return upgrade && isUnderWay(upgrade) ? hotPhases[upgrade.phase] : 'restarting';
    case 'grant':
      return unclaimed ? 'granted' : 'waiting';
    case 'upgrade':
      return 'waiting';
    default:
      return verdict;
  }
}

const hotPhases = {
  Pulling: 'pulling',
  Upgrading: 'upgrading',
  Soaking: 'soaking',
  Resetting: 'resetting',
  RollingBack: 'rollingBack',
  Done: 'restarting',
  Failed: 'failed',
  Withdrawn: 'waiting',
} as const;
