import type { Namespace, Pod } from '../../api/kubernetes.ts';
import { grantKey } from '../../api/pod-contract.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { coldWrite } from './cold.ts';
import { conditionPatch, isOutdatedRefusal } from './condition.ts';
import { factsOf, isAtWork, isUnderWay, type PodFacts } from './facts.ts';
import { createMemory, lookWith, type Found, type Memory } from './memory.ts';
import { grantOf, grantWrite, withdrawal } from './grants.ts';
import { haltOf, isUnavailable, select, type Halt } from './limits.ts';
import { orderOf } from './order.ts';
import { podWrite, podWriteLater, type PodWrite } from './pod-write.ts';
import { statusOf, type Counts } from './status.ts';
import { subjectOf, type Subject } from './subject.ts';
import { isAhead, judge, type Candidate, type Judgement, type Surroundings } from './verdict.ts';

/** Everything besides set and pods that a plan depends on. */
export interface Context extends Surroundings {
  /** All namespaces; not looked at unless the set has a namespace selector. */
  namespaces?: readonly Namespace[];
  /** The newest revision's name, and how many names were taken before it. */
  controllerRevision?: string;
  collisionCount?: number;
  /** Names of the sets that there are: a pod's condition forgets others. */
  sets?: ReadonlySet<string>;
  /** What earlier plans of this set found out; see {@link Memory}. */
  memory?: Memory;
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
  /** Pods to upgrade cold now, in order. */
  upgrade: PodWrite[];
  /** Grants to give now, in order. */
  grant: PodWrite[];
  /** Grants to take back now: they have not changed their pods. */
  withdraw: PodWrite[];
  /** Pods of which more than images differ. */
  notUpgradable: string[];
  /** Patches of the status of pods whose condition `SidecarSetUpgradable` is not what it should be. */
  conditions: PodWrite[];
  status: Counts;
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
  const look = lookWith(context.memory ?? createMemory(), subject);
  const judged = judgeAll(pods, look, subject, { ...context, hasAgent: agentsSeen(pods, context.now) });
  const { matched, verdicts } = judged;
  const halted = haltOf(subject, judged.failed.length, matched.length);
  const ordered = inOrder(judged, subject);
  const taken = takeNow(ordered, judged, subject, context, halted);
  const cold = ordered.filter((facts) => taken.get(facts)?.candidate === 'cold');
  const granted = [...taken.keys()].filter((facts) => taken.get(facts)?.candidate !== 'cold');
  return {
    pods: pods.map((pod) => {
      const { verdict, reason } = verdicts.get(pod) ?? NOT_JUDGED;
      return { namespace: pod.metadata?.namespace || 'default', name: pod.metadata?.name ?? '', verdict, reason };
    }),
    matched: keysOf(matched),
    waiting: keysOf(ordered),
    upgrade: cold.map(({ pod }) => podWriteLater(pod, () => coldWrite(pod, subject, context))),
    grant: granted
      .filter(({ unclaimed }) => unclaimed?.revision !== subject.attempt || isAhead(unclaimed, context.now))
      .map(({ pod }) => podWriteLater(pod, () => grantWrite(pod, subject, grantOf(pod, subject, context)))),
    withdraw: [
      ...matched.filter((facts) => facts.unclaimed && !taken.has(facts)).map(({ pod }) => pod),
      ...pods.filter((pod) => verdicts.get(pod)?.verdict === 'unmatched' && holdsGrant(pod, subject)),
    ].map((pod) => withdrawal(pod, subject)),
    notUpgradable: keysOf(judged.notUpgradable),
    conditions: conditionWrites(judged, taken, subject, context),
    status: statusOf(set, matched, context),
    ...(halted && { halted }),
    revisions: revisionsOf(matched),
  };
}

/** What is known of the pods before any limit. */
interface Judged {
  matched: PodFacts[];
  candidates: Map<PodFacts, Candidate>;
  /** Indexes of the candidates in `matched`, but for those whose upgrade is only to be ended: they do not wait. */
  waiting: number[];
  failed: PodFacts[];
  notUpgradable: PodFacts[];
  /** All but the candidates' are final. */
  verdicts: Map<Pod, Judgement>;
}

const NOT_JUDGED: Judgement = { verdict: 'waiting', reason: '' };

const keysOf = (pods: readonly PodFacts[]): string[] => pods.map(({ key }) => key);

function judgeAll(pods: readonly Pod[], look: (pod: Pod) => Found, subject: Subject, around: Surroundings): Judged {
  const judged: Judged = {
    matched: [],
    candidates: new Map(),
    waiting: [],
    failed: [],
    notUpgradable: [],
    verdicts: new Map(),
  };
  for (const pod of pods) {
    const found = look(pod);
    if ('whyNot' in found) {
      judged.verdicts.set(pod, { verdict: 'unmatched', reason: found.whyNot });
      continue;
    }
    const { facts } = found;
    const outcome = judge(facts, subject, around);
    if ('candidate' in outcome) {
      judged.candidates.set(facts, outcome);
      if (outcome.candidate !== 'finish') judged.waiting.push(judged.matched.length);
    } else {
      judged.verdicts.set(pod, outcome);
      if (outcome.verdict === 'failed' || isRolledBack(facts, subject)) judged.failed.push(facts);
      if (outcome.verdict === 'notUpgradable') judged.notUpgradable.push(facts);
    }
    judged.matched.push(facts);
  }
  return judged;
}

/** A roll-back is a failure as soon as it begins: not only when the emptied copies are seen to run. */
const isRolledBack = ({ upgrade }: PodFacts, { attempt }: Subject): boolean =>
  upgrade?.phase === 'RollingBack' && upgrade.record.revision === attempt;

/** Tells the nodes whose agent is at work, or was a moment ago, for any set; looked for only when somebody asks. */
function agentsSeen(pods: readonly Pod[], now: number): (node: string) => boolean {
  let nodes: Set<string> | undefined;
  const seen = (): Set<string> =>
    new Set(pods.filter((pod) => isAtWork(pod, now)).flatMap(({ spec }) => spec?.nodeName ?? []));
  return (node) => (nodes ??= seen()).has(node);
}

function inOrder({ matched, waiting }: Judged, { strategy }: Subject): PodFacts[] {
  const pods = matched.map(({ pod }) => pod);
  return orderOf(waiting, pods, strategy).flatMap((index) => matched[index] ?? []);
}

/** The candidates that are upgraded or granted now; the verdicts of all candidates become final. */
function takeNow(
  ordered: readonly PodFacts[],
  { matched, candidates, verdicts }: Judged,
  subject: Subject,
  context: Context,
  halted: Halt | undefined,
): Map<PodFacts, Candidate> {
  const stop = whyStopped(subject, halted);
  const down = new Set(matched.filter((facts) => isUnavailable(facts, context)));
  const { taken, whyNot } = select(ordered, subject, { matched: matched.length, down });
  const isTaken = ({ candidate }: Candidate, facts: PodFacts): boolean => candidate === 'finish' || taken.has(facts);
  const now = new Map<PodFacts, Candidate>();
  for (const [facts, candidate] of candidates) {
    if (stop === undefined && isTaken(candidate, facts)) {
      now.set(facts, candidate);
      const verdict = candidate.candidate === 'cold' ? 'upgrade' : candidate.isPulling ? 'upgrading' : 'grant';
      verdicts.set(facts.pod, { verdict, reason: candidate.reason });
    } else {
      verdicts.set(facts.pod, { verdict: 'waiting', reason: stop ?? whyNot(facts) });
    }
  }
  return now;
}

/** Why nothing may be started at all. */
function whyStopped({ strategy }: Subject, halted: Halt | undefined): string | undefined {
  if (strategy.type === 'NotUpdate') return 'updateStrategy.type is NotUpdate';
  if (strategy.paused) return 'the rollout is paused';
  return halted && `halted: ${halted.failed} pods failed, the threshold is ${halted.threshold}`;
}

/** A grant on a pod that is the set's no more; one that is going takes its grants along. */
const holdsGrant = (pod: Pod, subject: Subject): boolean =>
  pod.metadata?.annotations?.[grantKey] !== undefined &&
  pod.metadata.deletionTimestamp === undefined &&
  factsOf(pod, subject).unclaimed !== undefined;

/** The set could be upgraded on pods that carry its hash; entries of sets that are gone go from any pod. */
function conditionWrites(
  { matched, notUpgradable }: Judged,
  taken: ReadonlyMap<PodFacts, Candidate>,
  { name: set }: Subject,
  { now, sets }: Context,
): PodWrite[] {
  const change = { set, now, ...(sets && { sets }) };
  const immutable = new Set(notUpgradable);
  const outdated = matched.filter(
    (facts) => facts.isRefused && isOutdatedRefusal(facts.pod, change) && !immutable.has(facts) && !taken.has(facts),
  );
  return [
    ...notUpgradable.map(({ pod }) => podWrite(pod, conditionPatch(pod, { ...change, upgradable: false }))),
    ...outdated.map(({ pod, isUpdated }) =>
      podWrite(pod, conditionPatch(pod, isUpdated ? { ...change, upgradable: true } : change)),
    ),
  ].filter(({ patch }) => patch.length > 0);
}

function revisionsOf(matched: readonly PodFacts[]): Plan['revisions'] {
  const inUse = new Set<string>();
  const finished = new Set<string>();
  for (const { hash, isConsistent, isReady, upgrade } of matched) {
    const { controllerRevision: name } = hash;
    if (name === '') continue;
    inUse.add(name);
    if (isConsistent && isReady && !(upgrade && isUnderWay(upgrade))) finished.add(name);
  }
  return { inUse: [...inUse], finished: [...finished] };
}
