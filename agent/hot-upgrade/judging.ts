import { findContainer } from '../../api/containers.ts';
import type { Grant } from '../../api/grant.ts';
import { copies } from '../../api/pod-contract.ts';
import type { UpgradeRecord } from '../../api/upgrade-record.ts';
import type { Copy, Pair } from './evidence.ts';
import {
  canTakeBack,
  copyOf,
  heartbeatTimeout,
  isAnother,
  isDrained,
  isFresh,
  isLeftOver,
  isShown,
  pairsOf,
  serves,
  servingSince,
} from './evidence.ts';
import type { Failure } from './failures.ts';
import { failureOf, failureOfContainer, failureOfProcess, lateness } from './failures.ts';
import { giveUp, reset, rewrite, rollBack, upgrade } from './patches.ts';
import { planOf } from './plan.ts';
import { emptyImageFor, imagesFor, worst } from './pulling.ts';
import type { Step } from './step.ts';
import { heldBack, patch } from './step.ts';
import type { Memory, View } from './view.ts';

/** What an agent gives an upgrade that it finds under way, from its first look; and one whose new copy served lately. */
const grace = 30_000;
/** How long the hook of a new copy may keep the kubelet from replacing it before it is stopped: most end by themselves. */
const hookPatience = 10_000;
/** How long before a pod that cannot be helped, or an image that is gone, is looked at again. All in milliseconds. */
const helpless = 5_000;

/** An upgrade between its first patch and its last: rules (2) to (5). */
export interface Running {
  set: string;
  record: UpgradeRecord;
  /** It is on the pod. Not when OpenKruise began it. */
  isWritten: boolean;
}

/** Decides on a running upgrade, and notes in the memory whether the new copies serve. */
export function judge(
  view: View,
  running: Running,
  grant: Grant | undefined,
  memory: Memory,
): { step: Step; memory: Memory } {
  const { set, record } = running;
  const { now } = view;
  const deadline = deadlineOf(record, memory);
  const pairs = pairsOf(view, record);
  const cold = coldNames(record).map((name) => copyOf(view, name, record));
  const isServing = (pair: Pair): boolean => serves(pair, view, record, deadline);
  const hasArrived = (copy: Copy): boolean => isAnother(copy) && isShown(copy);
  const claim = (): Step => patch(view, set, rewrite(view, set, record), 'an upgrade was under way here');
  if (!running.isWritten && !view.mayStart) {
    return { step: waitFor(view, set, heldBack(view), []), memory };
  }
  if (pairs.every((pair) => isServing(pair) && isShown(pair.new)) && cold.every(hasArrived)) {
    const seen = { ...memory, servingSince: memory.servingSince ?? now, servedAt: now };
    const step = soak(view, running, pairs, seen);
    return { step: step.do === 'wait' && !running.isWritten ? claim() : step, memory: seen };
  }
  const unseen = { ...memory };
  delete unseen.servingSince;
  const decided = (step: Step): { step: Step; memory: Memory } => ({ step, memory: unseen });

  const isReplaceable = (pair: Pair): boolean =>
    canTakeBack(pair, now) || (!isServing(pair) && isHopeless(pair.new, now, deadline));
  const isNewer = grant !== undefined && grant.revision !== record.revision && !pairs.every(isServing);
  const newer = isNewer && pairs.every(isReplaceable) ? replace(view, running, grant, pairs) : undefined;
  if (newer?.do === 'patch') return decided(newer);
  if (!running.isWritten) return decided(newer ?? claim());
  const failure = failureIn(pairs, cold, isServing, hasArrived, now, deadline);
  if (failure) return decided(fail(view, running, pairs, failure, deadline, newer));
  const held = view.runtime && pairs.find((pair) => isReplaceable(pair) && isHeldByHook(pair.new, now));
  if (!newer && held) {
    const { name: container, id } = held.new;
    const because = `the hook of ${container} keeps the kubelet from starting what was granted instead`;
    return decided({ do: 'stop-container', set, container, id, because });
  }
  const moments = [deadline, record.phaseAt + hookPatience, ...silences(pairs)];
  return decided(newer ?? waitFor(view, set, 'the new copies do not serve yet', moments));
}

/** The kubelet is to replace it, and cannot as long as its postStart hook runs. */
function isHeldByHook(copy: Copy, now: number): boolean {
  return isLeftOver(copy) && copy.shown.id !== copy.id && now >= copy.patchedAt + hookPatience;
}

/** Whether a new copy may be replaced although nothing else serves: one that lives may come to serve, and then be the only one. */
function isHopeless(copy: Copy, now: number, deadline: number): boolean {
  const heard = isFresh(copy.file, now) ? copy.file : undefined;
  // It served, and takes back if the other one dies.
  const holds = heard?.holdsListeners === true && (heard.phase === 'draining' || heard.phase === 'drained');
  if (heard?.phase === 'serving' || holds) return false;
  return now >= deadline || failureOfProcess(copy, now) !== undefined || !(copy.running || heard);
}

/** The deadline, moved so that an agent that comes late, or a copy that served lately, has some time left. */
function deadlineOf({ deadline, startedAt }: UpgradeRecord, { firstLookAt, servedAt }: Memory): number {
  const resumed = startedAt < firstLookAt ? firstLookAt + grace : 0;
  return Math.max(deadline, resumed, servedAt === undefined ? 0 : servedAt + grace);
}

/** Rule (2): all new copies serve. */
function soak(view: View, { set, record }: Running, pairs: readonly Pair[], memory: Memory): Step {
  const { now } = view;
  const ends = pairs.map((pair) => {
    const since = servingSince(pair, record, memory, now);
    const drained = isDrained(pair) ? 0 : since + pair.drainTimeoutSeconds * 1000;
    return Math.max(since + pair.soakSeconds * 1000, drained);
  });
  const end = Math.max(...ends);
  if (now < end) return waitFor(view, set, 'soaking, or the old copies drain', [end, ...silences(pairs)]);
  const images = worst(
    pairs.map(({ old, emptyImage }) => {
      const container = findContainer(view.pod, old.name)?.container;
      return emptyImageFor(view, emptyImage, container?.imagePullPolicy === 'Always');
    }),
  );
  if (images.state === 'missing') return { do: 'pull', set, image: images.image };
  if (images.state === 'pulling') return waitFor(view, set, `pulling ${images.image}`, [now + helpless]);
  if (images.state === 'absent') {
    return waitFor(view, set, `the empty image cannot be had: ${images.message}`, [now + grace]);
  }
  return patch(view, set, reset(view, set, record), 'the new copies serve');
}

/**
 * Rule (3): a newer grant goes into new copies that do not serve; into one that does, or still may, only if its old copy can
 * take back.
 */
function replace(view: View, { set, record }: Running, grant: Grant, pairs: readonly Pair[]): Step | undefined {
  const canGoBackTo = (sidecar: string): boolean => {
    const pair = pairs.find((candidate) => candidate.sidecar === sidecar);
    return pair !== undefined && canTakeBack(pair, view.now);
  };
  const plan = planOf(view, set, grant, record, canGoBackTo);
  if ('blocked' in plan) return undefined;
  const images = imagesFor(view, plan);
  if (images.state === 'absent') return undefined;
  if (images.state === 'missing') return { do: 'pull', set, image: images.image };
  if (images.state === 'pulling') return waitFor(view, set, `pulling ${images.image}`, [view.now + helpless]);
  return patch(view, set, upgrade(view, set, grant, plan, record, record), `granted ${grant.revision} instead`);
}

function failureIn(
  pairs: readonly Pair[],
  cold: readonly Copy[],
  isServing: (pair: Pair) => boolean,
  hasArrived: (copy: Copy) => boolean,
  now: number,
  deadline: number,
): Failure | undefined {
  for (const pair of pairs) {
    const failure = isServing(pair) ? undefined : failureOf(pair, now);
    if (failure) return failure;
  }
  for (const copy of cold) {
    const failure = hasArrived(copy) ? undefined : failureOfContainer(copy);
    if (failure) return failure;
  }
  if (now < deadline) return undefined;
  const late = pairs.find((pair) => !isServing(pair) || !isShown(pair.new));
  const lateCold = cold.find((copy) => !hasArrived(copy));
  return late ? lateness(late.new, late.usesSdk) : lateCold && lateness(lateCold, false);
}

/** Rules (4) and (5): roll back, if that leaves something that serves. */
function fail(
  view: View,
  { set, record }: Running,
  pairs: readonly Pair[],
  failure: Failure,
  deadline: number,
  newer: Step | undefined,
): Step {
  if (pairs.some(({ rollback }) => rollback === 'Never')) {
    if (record.phase === 'Failed') return newer ?? { do: 'nothing', because: `${set}: failed: ${failure.message}` };
    return patch(view, set, giveUp(view, set, record, failure), failure.message);
  }
  const lost = pairs.find((pair) => !canTakeBack(pair, view.now));
  if (!lost) return patch(view, set, rollBack(view, set, record, failure), failure.message);
  const because = `${failure.message}, and ${lost.old.name} cannot take back`;
  if (view.runtime && keepsDown(lost, view.now, deadline)) {
    const { name: container, id } = lost.new;
    return { do: 'stop-container', set, container, id, because: `${because} until the hook of ${container} ends` };
  }
  return newer ?? { do: 'degraded', set, because, again: view.now + helpless };
}

/**
 * The old copy ended, and the hook of the new one, which does not serve and is out of time, keeps the kubelet from starting it
 * again: nothing serves, and nothing will.
 */
function keepsDown({ old, new: copy, usesSdk }: Pair, now: number, deadline: number): boolean {
  const isInHook = copy.running && copy.shown.id !== copy.id;
  return usesSdk && !old.running && isInHook && isHopeless(copy, now, deadline);
}

function coldNames({ sidecars, previous }: UpgradeRecord): string[] {
  const hot = new Set(Object.keys(sidecars).flatMap(copies));
  return Object.keys(previous.images).filter((name) => !hot.has(name));
}

/** When copies that are heard of now count as silent. */
const silences = (pairs: readonly Pair[]): number[] =>
  pairs
    .flatMap((pair) => [pair.old.state, pair.new.state])
    .flatMap((state) => (state ? [state.heartbeatAt + heartbeatTimeout + 1] : []));

/** Waits until the first of these moments that is still to come. */
export function waitFor(view: View, set: string, because: string, moments: readonly number[]): Step {
  const again = Math.min(...moments.filter((moment) => moment > view.now), view.now + grace);
  return { do: 'wait', set, because, again };
}
