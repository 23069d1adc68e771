import type { Namespace, Pod } from '../../api/kubernetes.ts';
import { grantKey } from '../../api/pod-contract.ts';
import type { SidecarSet, SidecarSetStatus } from '../../api/sidecar-set.ts';
import { coldWrite } from './cold.ts';
import { conditionPatch, isOutdatedCondition } from './condition.ts';
import { factsOf, isUnderWay, type PodFacts } from './facts.ts';
import { grantOf, grantWrite, withdrawal } from './grants.ts';
import { haltOf, isUnavailable, select, type Halt } from './limits.ts';
import { whyNotMatched } from './matching.ts';
import { orderOf } from './order.ts';
import { podWrite, type PodWrite } from './pod-write.ts';
import { statusOf } from './status.ts';
import { subjectOf, type Subject } from './subject.ts';
import { judge, type Candidate, type Judgement, type Surroundings } from './verdict.ts';

/** Everything besides set and pods that a plan depends on. */
export interface Context extends Surroundings {
  /** All namespaces; not looked at unless the set has a namespace selector. */
  namespaces?: readonly Namespace[];
  /** The newest revision's name, and how many names were taken before it. */
  controllerRevision?: string;
  collisionCount?: number;
  /** Names of the sets that there are: a pod's condition forgets others. */
  sets?: ReadonlySet<string>;
}

/** What becomes of one pod, and why. */
export interface PodVerdict extends Judgement {
  namespace: string;
  name: string;
}

/** What to do now about one set; nothing of it has been done. Pods are named `namespace/name`. */
export interface Plan {
  /** One for each pod given, in the order given. */
  pods: PodVerdict[];
  /** The set's pods. */
  matched: string[];
  /** All candidates in the order in which they are to be upgraded, before partition and maxUnavailable. */
  waiting: string[];
  /** Pods to upgrade cold now, in order; after each write the pod's status gets {@link conditionPatch}. */
  upgrade: PodWrite[];
  /** Grants to give now, in order. */
  grant: PodWrite[];
  /** Grants that nobody has claimed, to take back now. */
  withdraw: PodWrite[];
  /** Pods of which more than images differ. */
  notUpgradable: string[];
  /** Patches of the status of pods whose condition `SidecarSetUpgradable` is not what it should be. */
  conditions: PodWrite[];
  status: Required<SidecarSetStatus>;
  /** Set when so many pods failed that the rollout stands still. */
  halted?: Halt;
  /** Revisions that pods carry, and those of them that a pod has finished with. */
  revisions: { inUse: string[]; finished: string[] };
}

/**
 * Plans the next step of a rollout (`sidecarset.md` 4, design section 4), from what is seen now: it may be asked at any
 * moment, and again. Takes time in proportion to the pods.
 *
 * @param set - as `v1beta1`, with its defaults and both hashes
 * @param pods - any pods; those that are not the set's are told apart
 * @throws ApiError `ERR_BATON_SELECTOR` if `spec.selector` has an unknown operator
 */
export function plan(set: SidecarSet, pods: readonly Pod[], context: Context): Plan {
  const subject = subjectOf(set, context.namespaces ?? []);
  const unmatched = new Map<Pod, string>();
  const matched: PodFacts[] = [];
  for (const pod of pods) {
    const reason = whyNotMatched(pod, subject);
    if (reason === undefined) matched.push(factsOf(pod, subject));
    else unmatched.set(pod, reason);
  }

  const outcomes = new Map(matched.map((facts) => [facts, judge(facts, subject, context)]));
  const having = (kind: Outcome): PodFacts[] => matched.filter((facts) => outcomeOf(outcomes.get(facts)) === kind);
  const halted = haltOf(subject, having('failed').length, matched.length);
  const stop = whyStopped(subject, halted);
  const ordered = inOrder(matched, [...having('cold'), ...having('hot')], subject);
  const down = new Set(matched.filter((facts) => isUnavailable(facts, context)));
  const { taken, waiting } =
    stop === undefined
      ? select(ordered, subject, { matched: matched.length, down })
      : { taken: [], waiting: new Map(ordered.map((facts) => [facts, stop])) };
  const finishing = stop === undefined ? having('finish') : [];
  const cold = new Set(taken.filter((facts) => outcomeOf(outcomes.get(facts)) === 'cold'));
  const granted = new Set([...finishing, ...taken.filter((facts) => !cold.has(facts))]);

  const verdictOf = (facts: PodFacts): Judgement => {
    const outcome = outcomes.get(facts) ?? NOTHING;
    if ('verdict' in outcome) return outcome;
    const { reason } = outcome;
    if (cold.has(facts)) return { verdict: 'upgrade', reason };
    if (granted.has(facts)) return { verdict: 'grant', reason };
    return { verdict: 'waiting', reason: waiting.get(facts) ?? stop ?? reason };
  };
  const verdicts = new Map(matched.map((facts) => [facts.pod, verdictOf(facts)]));
  return {
    pods: pods.map((pod) => ({
      namespace: pod.metadata?.namespace || 'default',
      name: pod.metadata?.name ?? '',
      ...(verdicts.get(pod) ?? { verdict: 'unmatched', reason: unmatched.get(pod) ?? '' }),
    })),
    matched: keysOf(matched),
    waiting: keysOf(ordered),
    upgrade: [...cold].map(({ pod }) => coldWrite(pod, subject, context)),
    grant: [...granted]
      .filter(({ unclaimed }) => unclaimed?.revision !== subject.attempt)
      .map(({ pod }) => grantWrite(pod, subject, grantOf(pod, subject, context))),
    withdraw: [
      ...matched.filter((facts) => facts.unclaimed && !granted.has(facts)).map(({ pod }) => pod),
      ...[...unmatched.keys()].filter((pod) => holdsGrant(pod, subject)),
    ].map((pod) => withdrawal(pod, subject)),
    notUpgradable: keysOf(having('notUpgradable')),
    conditions: conditionWrites(
      matched.filter((facts) => !cold.has(facts)),
      having('notUpgradable'),
      subject,
      context,
    ),
    status: statusOf(set, matched, context),
    ...(halted && { halted }),
    revisions: revisionsOf(matched),
  };
}

type Outcome = Judgement['verdict'] | Candidate['candidate'];
const NOTHING: Judgement = { verdict: 'waiting', reason: '' };

const outcomeOf = (outcome: Judgement | Candidate = NOTHING): Outcome =>
  'verdict' in outcome ? outcome.verdict : outcome.candidate;

const keysOf = (pods: readonly PodFacts[]): string[] => pods.map(({ key }) => key);

/** Why nothing may be started at all. */
function whyStopped({ strategy }: Subject, halted: Halt | undefined): string | undefined {
  if (strategy.type === 'NotUpdate') return 'updateStrategy.type is NotUpdate';
  if (strategy.paused) return 'the rollout is paused';
  return halted && `halted: ${halted.failed} pods failed, the threshold is ${halted.threshold}`;
}

function inOrder(matched: readonly PodFacts[], candidates: readonly PodFacts[], { strategy }: Subject): PodFacts[] {
  const isCandidate = new Set(candidates);
  const indexes = [...matched.keys()].filter((index) => isCandidate.has(matched[index] as PodFacts));
  const order = orderOf(
    indexes,
    matched.map(({ pod }) => pod),
    strategy,
  );
  return order.flatMap((index) => matched[index] ?? []);
}

/** A grant on a pod that is the set's no more; one that is going takes its grants along. */
const holdsGrant = (pod: Pod, subject: Subject): boolean =>
  pod.metadata?.annotations?.[grantKey] !== undefined &&
  pod.metadata.deletionTimestamp === undefined &&
  factsOf(pod, subject).unclaimed !== undefined;

/** The set could be upgraded on pods that carry its hash; entries of sets that are gone go from any pod. */
function conditionWrites(
  matched: readonly PodFacts[],
  notUpgradable: readonly PodFacts[],
  { name: set }: Subject,
  { now, sets }: Context,
): PodWrite[] {
  const change = { set, now, ...(sets && { sets }) };
  const immutable = new Set(notUpgradable);
  const outdated = matched.filter((facts) => !immutable.has(facts) && isOutdatedCondition(facts.pod, change));
  return [
    ...notUpgradable.map(({ pod }) => podWrite(pod, conditionPatch(pod, { ...change, upgradable: false }))),
    ...outdated.map(({ pod, isUpdated }) =>
      podWrite(pod, conditionPatch(pod, isUpdated ? { ...change, upgradable: true } : change)),
    ),
  ].filter(({ patch }) => patch.length > 0);
}

function revisionsOf(matched: readonly PodFacts[]): Plan['revisions'] {
  const isFinished = ({ isConsistent, isReady, upgrade }: PodFacts): boolean =>
    isConsistent && isReady && !(upgrade && isUnderWay(upgrade));
  const names = (pods: readonly PodFacts[]): string[] => [
    ...new Set(pods.map(({ hash }) => hash.controllerRevision).filter((name) => name !== '')),
  ];
  return { inUse: names(matched), finished: names(matched.filter(isFinished)) };
}
