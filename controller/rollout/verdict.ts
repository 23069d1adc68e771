import type { Grant } from '../../api/grant.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { isOverdue, isUnderWay, unsettledIn, type PodFacts } from './facts.ts';
import type { Subject } from './subject.ts';

/**
 * What becomes of a pod. `unmatched`: it is none of the set's. `updated`: nothing to do. `upgrade`: patched now. `grant`: given
 * to its node's agent now, or already given. `upgrading`: a change is under way. `waiting`: its turn comes later.
 * `notSelected`: `updateStrategy.selector` leaves it out. `notUpgradable`: more than images differ. `failed`: this revision
 * was tried and rolled back. `noAgent`: nobody on its node takes grants. `blocked`: somebody has to look at it.
 */
export type Verdict =
  | 'unmatched'
  | 'updated'
  | 'upgrade'
  | 'grant'
  | 'upgrading'
  | 'waiting'
  | 'notSelected'
  | 'notUpgradable'
  | 'failed'
  | 'noAgent'
  | 'blocked';

/** A verdict with its reason, for people. */
export interface Judgement {
  verdict: Verdict;
  reason: string;
}

/**
 * A pod that could be upgraded now, cold or hot; `finish`: only its half-done upgrade is to be ended, at no cost. One whose
 * agent still pulls images stays a candidate: it goes on, or its grant is taken back.
 */
export interface Candidate {
  candidate: 'cold' | 'hot' | 'finish';
  isPulling?: boolean;
  reason: string;
}

/** What is known besides the pods. */
export interface Surroundings {
  /** Milliseconds since the epoch, the clock of `grantedAt`. */
  now: number;
  /** Names of nodes that are not Ready. */
  notReadyNodes?: ReadonlySet<string>;
  /** Pods (`namespace/name`) whose grant was withdrawn because nobody claimed it. */
  noAgent?: ReadonlySet<string>;
  /** Whether the agent of a node is known to be there; not told apart if not given. */
  hasAgent?: (node: string) => boolean;
  /** Pods (`namespace/name`) that were written a moment ago, and how they were left. */
  written?: ReadonlyMap<string, WrittenPod>;
}

/** What a write left: until the pod is seen with this resourceVersion, what is seen of it is old. */
export interface WrittenPod {
  resourceVersion: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** How long an agent has to claim a grant (design section 4), in milliseconds. */
export const CLAIM_TIMEOUT = 60_000;
/** How long a write is waited for that is never seen (Q5), in milliseconds. */
export const UNSEEN_TIMEOUT = 60_000;

/** What a matched pod is to the rollout, limits aside. */
export function judge(facts: PodFacts, subject: Subject, around: Surroundings): Judgement | Candidate {
  const { pod, upgrade, isUpdated } = facts;
  if (isUnseen(facts, around)) return upgrading('the last write to it is not seen yet');
  if (upgrade) {
    const { record, phase } = upgrade;
    const isCurrent = record.revision === subject.attempt;
    if (isUnderWay(upgrade) && phase !== 'Pulling' && (isCurrent || !takesNewer(facts))) {
      const node = pod.spec?.nodeName ?? '';
      if (around.notReadyNodes?.has(node)) return upgrading(`node ${node} is not Ready; its agent was at ${phase}`);
      if (isOverdue(upgrade, around.now)) {
        return {
          verdict: 'blocked',
          reason: `the agent on node ${node} does not get on: it is at ${phase} for too long`,
        };
      }
      return upgrading(isCurrent ? `the agent is at ${phase}` : `the agent first ends an earlier upgrade (${phase})`);
    }
    if (phase === 'Failed' && isCurrent) {
      const { reason = 'Failed', message = '' } = record;
      return { verdict: 'failed', reason: `${reason}${message && `: ${message}`}` };
    }
  }
  if (isUpdated) return judgeUpdated(facts, subject, around);
  if (!subject.isSelected(pod.metadata?.labels)) {
    return { verdict: 'notSelected', reason: 'its labels do not match updateStrategy.selector' };
  }
  if (!facts.isUpgradable) {
    return { verdict: 'notUpgradable', reason: 'more than images differ: that takes a new pod' };
  }
  const unsettled = takesNewer(facts) ? undefined : unsettledIn(facts, subject);
  if (unsettled !== undefined) return upgrading(`container ${unsettled} has not finished its last change`);
  const [unclear] = facts.unclear;
  if (unclear !== undefined) return { verdict: 'blocked', reason: `nothing tells which copy of ${unclear} serves` };
  const node = pod.spec?.nodeName;
  // Changed now, all of its pods would restart at the moment when it comes back.
  if (node && around.notReadyNodes?.has(node)) return notReady(node);
  const hot = [...facts.outdated, ...facts.halfUpgraded];
  if (hot.length === 0) return IN_PLACE;
  if (!node && facts.halfUpgraded.length === 0) {
    return { candidate: 'cold', reason: 'it is on no node yet: nothing to hand over' };
  }
  return whyNoGrant(facts, subject, around) ?? toGrant('hot', [...new Set(hot)].join(', '), facts, subject, around);
}

/**
 * Whether a newer grant goes into the copies that an upgrade has changed and that do not serve (design section 4, rule 3). Their
 * change may never finish: while a `postStart` hook hangs, the status shows the old container, and ready.
 */
function takesNewer({ upgrade }: PodFacts): boolean {
  if (!upgrade) return false;
  const { phase, record } = upgrade;
  // Of a failure that was not rolled back both copies are left as they are.
  const isLeft = record.phase === 'Failed' && Object.keys(record.sidecars).length > 0;
  return phase === 'Upgrading' || isLeft;
}

const IN_PLACE: Candidate = { candidate: 'cold', reason: 'its images are changed in place' };
const UP_TO_DATE: Judgement = { verdict: 'updated', reason: 'it is up to date and ready' };
const NOT_READY: Judgement = { verdict: 'updated', reason: 'it is up to date, and not ready yet' };

function judgeUpdated(facts: PodFacts, subject: Subject, around: Surroundings): Judgement | Candidate {
  const [half] = facts.halfUpgraded;
  if (half !== undefined) {
    return (
      whyNoGrant(facts, subject, around) ?? toGrant('finish', `both copies of ${half} run`, facts, subject, around)
    );
  }
  return facts.isConsistent && facts.isReady ? UP_TO_DATE : NOT_READY;
}

function toGrant(
  candidate: Candidate['candidate'],
  what: string,
  facts: PodFacts,
  subject: Subject,
  around: Surroundings,
): Candidate {
  return isPulling(facts, subject, around)
    ? { candidate, reason: 'the agent is at Pulling', isPulling: true }
    : { candidate, reason: `granted to its agent: ${what}` };
}

/** Whether its agent has begun with the grant that it has now, and not yet changed the pod. */
const isPulling = ({ unclaimed, upgrade }: PodFacts, { attempt }: Subject, { now }: Surroundings): boolean =>
  unclaimed?.revision === attempt &&
  upgrade?.phase === 'Pulling' &&
  upgrade.record.revision === attempt &&
  !isOverdue(upgrade, now);

/** Why its agent cannot be given a grant. */
function whyNoGrant(facts: PodFacts, subject: Subject, around: Surroundings): Judgement | undefined {
  const { pod, key, other, unclaimed } = facts;
  const nameless = subject.sidecars.find(({ emptyImage }) => emptyImage === '');
  if (nameless) return { verdict: 'blocked', reason: `${nameless.name} has no upgradeStrategy.hotUpgradeEmptyImage` };
  const node = pod.spec?.nodeName ?? '';
  if (node === '') return { verdict: 'waiting', reason: 'it is on no node yet' };
  if (around.notReadyNodes?.has(node)) return notReady(node);
  const isCurrent = unclaimed?.revision === subject.attempt;
  if (other && !isCurrent) return { verdict: 'waiting', reason: `SidecarSet ${other.set} is upgraded first` };
  if (isPulling(facts, subject, around)) return undefined;
  const isNext = !other || (other.upgrade !== undefined && isOverdue(other.upgrade, around.now));
  const isLate = isCurrent && isNext && isClaimLate(unclaimed.grantedAt, around.now);
  // An agent that carries out as many upgrades as it may takes a grant when there is room again.
  if ((isLate || around.noAgent?.has(key)) && !around.hasAgent?.(node))
    return { verdict: 'noAgent', reason: `no agent on node ${node} took its grant` };
  return undefined;
}

/** Whether a grant's time was written by a clock that was put back since: it has to be written anew, or it is never late. */
export const isAhead = ({ grantedAt }: Grant, now: number): boolean => Date.parse(grantedAt) - now > CLAIM_TIMEOUT;

/** A grant without a time that can be read is as good as late. */
const isClaimLate = (grantedAt: string, now: number): boolean => !(now - Date.parse(grantedAt) <= CLAIM_TIMEOUT);

/** Whether what is seen of the pod is older than the last write to it. A write that never shows is forgotten in time (Q5). */
export function isUnseen({ pod, key }: Pick<PodFacts, 'pod' | 'key'>, { now, written }: Surroundings): boolean {
  const last = written?.get(key);
  return last !== undefined && now - last.at <= UNSEEN_TIMEOUT && isOlder(pod, last.resourceVersion);
}

function isOlder({ metadata }: Pod, resourceVersion: string): boolean {
  const [seen, expected] = [metadata?.resourceVersion ?? '', resourceVersion];
  return /^\d+$/.test(seen) && /^\d+$/.test(expected) ? BigInt(seen) < BigInt(expected) : seen !== expected;
}

const notReady = (node: string): Judgement => ({ verdict: 'waiting', reason: `node ${node} is not Ready` });

const upgrading = (reason: string): Judgement => ({ verdict: 'upgrading', reason });
