import { isDeepStrictEqual } from 'node:util';
import { lifeOf, statusOf } from '../../../api/containers.ts';
import { own } from '../../../api/json.ts';
import type { Namespace, Pod } from '../../../api/kubernetes.ts';
import { readWorking } from '../../../api/pod-annotations.ts';
import { copies, env, otherCopy, upgradeKey, workingKey } from '../../../api/pod-contract.ts';
import { valueOr } from '../../../api/reading.ts';
import { phaseOf, readRecords, type UpgradePhase, type UpgradeRecord } from '../../../api/upgrade-record.ts';
import { isUnderWay, factsOf, wellFormed } from '../../../controller/rollout/facts.ts';
import { whyNotMatched } from '../../../controller/rollout/matching.ts';
import { type Subject, subjectOf } from '../../../controller/rollout/subject.ts';
import { lastingContainers } from '../../../local/pod-spec.ts';
import type { WirePod, WireSet } from './home.ts';

/** What a pod was from a moment on, until the next one. */
export interface Moment {
  /** Milliseconds since the epoch. */
  at: number;
  /** The images of the sidecars that serve, joined by commas. */
  images: string;
  /** Of an upgrade that is under way. */
  phase: UpgradePhase | null;
  ready: boolean;
}

export interface PodHistory {
  namespace: string;
  name: string;
  moments: Moment[];
  /** Undefined while it is there. */
  goneAt?: number;
}

/** Follows all pods through every state that the cluster had. */
export interface History {
  pod(pod: WirePod, isGone: boolean): void;
  set(set: WireSet): void;
  pods(): PodHistory[];
  /** The most pods that were not Ready at one moment since the last call of {@link begin}; those still starting do not count. */
  mostNotReady(): number;
  /** The most pods that counted against a set's maxUnavailable at one moment since then. */
  mostUnavailable(set: string): number;
  /** Begins to count anew. */
  begin(): void;
}

/** @param namespaces - all that there are: what namespace selectors are held against */
export function createHistory(now: () => number, namespaces: readonly Namespace[]): History {
  const histories = new Map<string, PodHistory>();
  const subjects = new Map<string, Subject>();
  const started = new Set<string>();
  const notReady = makePeak();
  const unavailable = new Map<string, Peak>();

  const peakOf = (set: string): Peak => {
    const peak = unavailable.get(set) ?? makePeak();
    unavailable.set(set, peak);
    return peak;
  };

  return {
    pod(pod, isGone) {
      const { uid = '', namespace = '', name = '' } = pod.metadata;
      const history = histories.get(uid) ?? { namespace, name, moments: [] };
      histories.set(uid, history);
      if (isGone) history.goneAt = now();
      const moment = momentOf(pod, now());
      const { at, ...seen } = moment;
      const last = history.moments.at(-1);
      if (!last || !isDeepStrictEqual({ ...last, at }, { at, ...seen })) history.moments.push(moment);
      if (moment.ready) started.add(uid);
      const counts = !isGone && started.has(uid) && pod.metadata.deletionTimestamp === undefined;
      notReady.put(uid, counts && !moment.ready);
      for (const [set, subject] of subjects) peakOf(set).put(uid, counts && isDown(pod, subject));
    },
    set: (set) => void subjects.set(set.metadata.name ?? '', subjectOf(set, namespaces)),
    pods: () => [...histories.values()],
    mostNotReady: () => notReady.most(),
    mostUnavailable: (set) => peakOf(set).most(),
    begin() {
      for (const peak of [notReady, ...unavailable.values()]) peak.begin();
    },
  };
}

/** How many of something there were at most at one moment. */
interface Peak {
  put(key: string, holds: boolean): void;
  most(): number;
  begin(): void;
}

function makePeak(): Peak {
  const present = new Set<string>();
  let most = 0;
  return {
    put(key, holds) {
      if (holds) present.add(key);
      else present.delete(key);
      most = Math.max(most, present.size);
    },
    most: () => most,
    begin: () => void (most = present.size),
  };
}

/** Whether a pod is, or may be, without its sidecar: what `maxUnavailable` limits, seen from outside the controller. */
function isDown(pod: WirePod, subject: Subject): boolean {
  if (whyNotMatched(pod, subject) !== undefined) return false;
  const { isPodReady, isUpdated, isConsistent, upgrade } = factsOf(pod, subject);
  if (!isPodReady) return true;
  if (upgrade && isUnderWay(upgrade)) return upgrade.phase === 'Upgrading' || upgrade.phase === 'RollingBack';
  return isUpdated && !isConsistent;
}

function momentOf(pod: WirePod, at: number): Moment {
  const records = [...wellFormed(readRecords(pod.metadata.annotations?.[upgradeKey])).values()];
  const phases = records.map((record) => ({ record, phase: phaseOf(record, (container) => lifeOf(pod, container)) }));
  const open = phases.find(isUnderWay);
  const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  return { at, images: servingImages(pod, open).join(', '), phase: open?.phase ?? null, ready };
}

/** The image of each injected container that is not idle, as the kubelet shows it. */
function servingImages(pod: Pod, open: { record: UpgradeRecord; phase: UpgradePhase } | undefined): string[] {
  const working = valueOr(readWorking(pod.metadata?.annotations?.[workingKey]), new Map<string, string>());
  const hasTakenOver = open?.phase !== 'Upgrading' && open?.phase !== 'RollingBack';
  const idle = [...working].map(([sidecar, container]) => {
    const before = hasTakenOver ? undefined : own(open.record.previous.working, sidecar);
    return otherCopy(sidecar, before ?? container);
  });
  const unknown = new Set([...working.keys()].flatMap(copies));
  return lastingContainers(pod)
    .filter((container) => container.env?.some(({ name, value }) => name === env.injected && value === 'true'))
    .filter(({ name }) => !unknown.has(name) || !idle.includes(name))
    .map(({ name, image = '' }) => statusOf(pod, name)?.image ?? image);
}
