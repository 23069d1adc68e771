import { isConsistent, recordedImages, unsettledContainer, type RecordedImages } from '../../api/consistency.ts';
import { containerOf, lifeOf } from '../../api/containers.ts';
import { readGrants, type Grant } from '../../api/grant.ts';
import { podHashOf, type PodHash } from '../../api/hash-entry.ts';
import { isHalfUpgraded, rolesOf } from '../../api/hot-pair.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { readInPlaceStates } from '../../api/pod-annotations.ts';
import { grantKey, hashKey, hashWithoutImageKey, inPlaceStateKey, upgradeKey } from '../../api/pod-contract.ts';
import type { Reading } from '../../api/reading.ts';
import { phaseOf, readRecords, type UpgradePhase, type UpgradeRecord } from '../../api/upgrade-record.ts';
import { isRefused } from './condition.ts';
import type { Sidecar, Subject } from './subject.ts';

/** What a plan knows of a matched pod; each annotation is parsed once, and only if it is needed. */
export interface PodFacts {
  pod: Pod;
  /** `namespace/name`. */
  key: string;
  hash: PodHash;
  /** It carries the set's hash. */
  isUpdated: boolean;
  /** Nothing but images differs from the set, so that the pod can be upgraded in place (4.2). */
  isUpgradable: boolean;
  /** All sidecars run the images of its spec (`sidecarset.md` 3.5). */
  isConsistent: boolean;
  /** It is Running and Ready, no matter what state its pairs are in. */
  isPodReady: boolean;
  /** It is Running and Ready, and no pair is half upgraded (3.7). */
  isReady: boolean;
  /** Sidecars of which nothing tells which copy serves: nobody may touch them. */
  unclear: readonly string[];
  /** The sidecars of which one copy is new and the other not yet empty. */
  halfUpgraded: readonly string[];
  /** The hot sidecars whose serving copy has another image than the set says. */
  outdated: readonly string[];
  /** Its condition says that some set cannot be upgraded on it. */
  isRefused: boolean;
  /** What the agent wrote about this set, and the phase that it amounts to. */
  upgrade?: Upgrade;
  /** What this set was granted and can still be taken back. */
  unclaimed?: Grant;
  /** Another set that is being upgraded on the pod, or is granted. */
  other?: { set: string; upgrade?: Upgrade };
}

export interface Upgrade {
  record: UpgradeRecord;
  phase: UpgradePhase;
}

const ENDED: readonly UpgradePhase[] = ['Done', 'Failed', 'Withdrawn'];

/** Whether the agent is at work on it. */
export const isUnderWay = ({ phase }: { phase: UpgradePhase }): boolean => !ENDED.includes(phase);

/**
 * How long after its time an upgrade still counts as its agent's work, in milliseconds: an agent that comes late gives it 30 s
 * more, rolls back, and has a clock of its own.
 */
const PATIENCE = 120_000;

/**
 * Whether an upgrade under way would have ended long ago if an agent were at work on it that gets on. Then it holds nothing up:
 * neither its node's other grants, nor, while its pod is ready, the set.
 */
export function isOverdue({ record, phase }: Upgrade, now: number): boolean {
  const { deadline, phaseAt, sidecars } = record;
  const soaks = Object.values(sidecars).map((one) => Math.max(one.drainTimeoutSeconds, one.soakSeconds) * 1000);
  return now > Math.max(deadline, phaseAt) + (phase === 'Soaking' ? Math.max(0, ...soaks) : 0) + PATIENCE;
}

/**
 * Whether a grant can still be taken back: its upgrade has not changed the pod (ADR 6). While the agent pulls images it has not;
 * where it took a grant back, the next one is another.
 */
export const isUnclaimed = (grant: Grant, record: UpgradeRecord | undefined): boolean =>
  record?.revision !== grant.revision || record.phase === 'Pulling' || record.phase === 'Withdrawn';

export function factsOf(pod: Pod, subject: Subject): PodFacts {
  const { metadata = {}, status } = pod;
  const annotations = metadata.annotations ?? {};
  const hash = podHashOf(annotations[hashKey], subject.name);
  const isUpdated = hash.hash === subject.hash;
  const pairs = pairsOf(pod, subject.hot);
  const isPodReady =
    status?.phase === 'Running' &&
    (status.conditions ?? []).some((condition) => condition.type === 'Ready' && condition.status === 'True');
  const facts: PodFacts = {
    pod,
    key: `${metadata.namespace || 'default'}/${metadata.name ?? ''}`,
    hash,
    isUpdated,
    isUpgradable: podHashOf(annotations[hashWithoutImageKey], subject.name).hash === subject.hashWithoutImage,
    isConsistent: isConsistent(pod, subject.containers, imagesRecorded(pod, subject.name)),
    isPodReady,
    isReady: isPodReady && pairs.unclear.length === 0 && pairs.halfUpgraded.length === 0,
    unclear: pairs.unclear,
    halfUpgraded: pairs.halfUpgraded,
    outdated: pairs.outdated,
    isRefused: isRefused(pod),
  };
  if (annotations[grantKey] === undefined && annotations[upgradeKey] === undefined) return facts;
  return { ...facts, ...progressOf(pod, subject, isUpdated && pairs.halfUpgraded.length === 0) };
}

/** A container whose last change is still under way (4.2). */
export const unsettledIn = ({ pod, isConsistent: all }: PodFacts, { name, containers }: Subject): string | undefined =>
  unsettledContainer(pod, containers, imagesRecorded(pod, name), all);

function imagesRecorded(pod: Pod, set: string): () => RecordedImages {
  let recorded: RecordedImages | undefined;
  return () => (recorded ??= recordedImages(readInPlaceStates(pod.metadata?.annotations?.[inPlaceStateKey]), set));
}

type Pairs = Pick<PodFacts, 'unclear' | 'halfUpgraded' | 'outdated'>;
const NO_PAIRS: Pairs = { unclear: [], halfUpgraded: [], outdated: [] };

function pairsOf(pod: Pod, sidecars: readonly Sidecar[]): Pairs {
  if (sidecars.length === 0) return NO_PAIRS;
  const annotations = pod.metadata?.annotations ?? {};
  const image = (container: string): string | undefined => containerOf(pod, container)?.image;
  const unclear: string[] = [];
  const halfUpgraded: string[] = [];
  const outdated: string[] = [];
  for (const { name, image: wanted, emptyImage = '' } of sidecars) {
    const pair = { sidecar: name, emptyImage, annotations, image };
    const roles = rolesOf(pair);
    if (!roles) unclear.push(name);
    else if (isHalfUpgraded(pair, roles)) halfUpgraded.push(name);
    if (roles && image(roles.working) !== wanted) outdated.push(name);
  }
  return { unclear, halfUpgraded, outdated };
}

/** Malformed grants and records count as absent: the controller writes the former anew, the agent the latter. */
function progressOf(pod: Pod, { name }: Subject, isDone: boolean): Pick<PodFacts, 'upgrade' | 'unclaimed' | 'other'> {
  const annotations = pod.metadata?.annotations ?? {};
  const grants = wellFormed(readGrants(annotations[grantKey]));
  const records = wellFormed(readRecords(annotations[upgradeKey]));
  const upgrades = new Map(
    [...records].map(([set, record]) => [
      set,
      { record, phase: phaseOf(record, (container) => lifeOf(pod, container)) },
    ]),
  );
  // An upgrade that is done and left the pod undone was another try: the grant stands.
  const isOpen = (set: string, grant: Grant): boolean =>
    isUnclaimed(grant, records.get(set)) || (set === name && records.get(set)?.phase === 'Done' && !isDone);
  const upgrade = upgrades.get(name);
  const grant = grants.get(name);
  const begun = [...upgrades].find(([set, other]) => set !== name && isUnderWay(other));
  const next = [...grants].find(([set, other]) => set !== name && isOpen(set, other));
  const other = begun ? { set: begun[0], upgrade: begun[1] } : next && { set: next[0] };
  return {
    ...(upgrade && { upgrade }),
    ...(grant && isOpen(name, grant) && { unclaimed: grant }),
    ...(other && { other }),
  };
}

/** How long ago an agent's last change may be for it to count as at work, in milliseconds; between two upgrades it has none. */
const LATELY = 60_000;

/**
 * Whether the agent of a pod's node is, or was a moment ago, at work on the pod, for any set. The moment is the node's clock's: one
 * that is wrong costs a wait.
 */
export function isAtWork(pod: Pod, now: number): boolean {
  const text = pod.metadata?.annotations?.[upgradeKey];
  if (text === undefined) return false;
  return [...wellFormed(readRecords(text)).values()].some((record) => {
    if (Math.abs(now - record.phaseAt) <= LATELY) return true;
    const upgrade = { record, phase: phaseOf(record, (container) => lifeOf(pod, container)) };
    return isUnderWay(upgrade) && !isOverdue(upgrade, now);
  });
}

/** The entries that can be read. */
export function wellFormed<T>(entries: Reading<ReadonlyMap<string, Reading<T>>>): Map<string, T> {
  const read = 'problem' in entries ? [] : [...entries.value];
  return new Map(read.flatMap(([set, entry]): [string, T][] => ('problem' in entry ? [] : [[set, entry.value]])));
}
