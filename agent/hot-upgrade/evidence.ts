import { bareID, findContainer, lifeOf, statusOf } from '../../api/containers.ts';
import type { LifeFacts } from '../../api/containers.ts';
import { versionKey } from '../../api/pod-contract.ts';
import type { StateFile } from '../../api/pod-contract.ts';
import type { UpgradeRecord, UpgradingSidecar } from '../../api/upgrade-record.ts';
import { otherCopy } from '../../api/pod-contract.ts';
import type { ContainerExit, ImageNames, Memory, View } from './view.ts';

/** A state file whose heartbeat is older than this is a hung process's (design section 4), in milliseconds. */
export const heartbeatTimeout = 5_000;

/** How long a copy that may be in a crash loop must have run to be believed without the SDK, in milliseconds. */
const probation = 30_000;
/** The pod's status knows whole seconds only. */
const wholeSecond = 999;
/** How long after a patch the kubelet may still start what was wanted before it, in milliseconds. */
const patchDelay = 30_000;
/** How much later than the process' own beginning a runtime may note it, on a busy node. */
const noteDelay = 2_000;

/** One container as it is seen now. */
export interface Copy {
  name: string;
  /** Its newest life, from the runtime where there is one. */
  id: string;
  running: boolean;
  /** What the pod's status shows: an earlier life while a postStart hook runs. */
  shown: LifeFacts;
  waiting: { reason: string; message: string } | undefined;
  exits: readonly ContainerExit[];
  /** The life before the last patch. */
  before: string;
  /** The ends of lives that began after it. */
  lost: readonly ContainerExit[];
  /** The earliest and the latest moment at which that life can have begun. */
  startedAt: number | undefined;
  startedBy: number | undefined;
  /** No process of that life began before. */
  bornAt: number | undefined;
  /** When the last patch was written. */
  patchedAt: number;
  /** That patch gave it another version. */
  isSwitched: boolean;
  /** Its life runs an image from before that patch: the kubelet was at it already, and will replace it. */
  isOutdated: boolean;
  /** A state file of the version that it should have, whichever life wrote it. */
  file: StateFile | undefined;
  /** Written by its own, newest life. */
  state: StateFile | undefined;
}

/** A hot sidecar that is being upgraded. */
export interface Pair extends UpgradingSidecar {
  sidecar: string;
  old: Copy;
  new: Copy;
  /** Either copy, or the idle image, wrote a state file: so the new one will. */
  usesSdk: boolean;
  /** The old copy did. */
  oldUsesSdk: boolean;
}

/** The pairs that take part in an upgrade, as they are seen now. */
export function pairsOf(view: View, record: UpgradeRecord): Pair[] {
  const annotations = view.pod.metadata?.annotations ?? {};
  const { working, versions } = record.previous;
  return Object.entries(record.sidecars).map(([sidecar, settings]) => {
    const old = working[sidecar] ?? '';
    const fresh = otherCopy(sidecar, old);
    const files = view.stateFiles.get(sidecar) ?? [];
    const oldVersion = versions[old] ?? '';
    const newVersion = annotations[versionKey(fresh)] ?? '';
    return {
      ...settings,
      sidecar,
      old: copyOf(view, old, record, stateOf(files, oldVersion)),
      new: copyOf(view, fresh, record, stateOf(files, newVersion)),
      usesSdk: ['0', oldVersion, newVersion].some((version) => stateOf(files, version)),
      oldUsesSdk: stateOf(files, oldVersion) !== undefined,
    };
  });
}

const stateOf = (files: readonly StateFile[], version: string): StateFile | undefined =>
  files.find((file) => file.version === version);

/** A container that takes part without a state file: a cold one. */
export function copyOf(view: View, name: string, record: UpgradeRecord, state?: StateFile): Copy {
  const shown = lifeOf(view.pod, name);
  const status = statusOf(view.pod, name);
  const runtime = view.runtime?.get(name);
  const before = record.previous.containerIDs[name] ?? '';
  // While the life from before the patch is shown, what ended before it began is no news, whatever its rounded times say.
  const ended = shown.id === before && before !== '' ? [] : [status?.lastState?.terminated, status?.state?.terminated];
  const shownExits = ended.flatMap((end): ContainerExit[] =>
    end ? [{ id: bareID(end.containerID), reason: end.reason, exitCode: end.exitCode, ...endOf(end.startedAt) }] : [],
  );
  const waiting = status?.state?.waiting;
  const startedAt = runtime?.startedAt ?? timeOf(status?.state?.running?.startedAt);
  const wanted = view.images?.present.get(findContainer(view.pod, name)?.container.image ?? '');
  // Later, another image has another reason: a tag that was moved.
  const isOutdated = (image: ImageNames | undefined, time = 0): boolean =>
    differ(image, wanted) && time < record.phaseAt + patchDelay;
  const outdated = (runtime?.exits ?? []).filter((exit) => isOutdated(exit.image, exit.startedBy)).map(({ id }) => id);
  const exits = [...(runtime?.exits ?? []), ...shownExits].filter(({ id }) => !outdated.includes(id));
  const seen = {
    name,
    id: runtime?.id ?? shown.id,
    running: runtime?.running ?? shown.running,
    shown,
    waiting: waiting && { reason: waiting.reason ?? '', message: waiting.message ?? '' },
    exits,
    before,
    startedAt,
    startedBy: runtime?.startedAt ?? (startedAt === undefined ? undefined : startedAt + wholeSecond),
    bornAt: runtime?.createdAt ?? (startedAt === undefined ? undefined : startedAt - noteDelay),
    patchedAt: record.phaseAt,
    isSwitched: record.previous.versions[name] !== view.pod.metadata?.annotations?.[versionKey(name)],
    isOutdated: runtime?.running === true && isOutdated(runtime.image, view.now),
    file: state,
    state: undefined,
  };
  const copy: Copy = { ...seen, lost: lostLives(seen) };
  return { ...copy, state: state && isOwn(copy, state) ? state : undefined };
}

/** Not left behind by an earlier life with the same version. */
function isOwn(copy: Copy, state: StateFile): boolean {
  const { running, bornAt, startedBy } = copy;
  if (!running || bornAt === undefined || startedBy === undefined) return false;
  if (state.startedAt < bornAt) return false;
  return !hasRestarted(copy) || state.heartbeatAt > startedBy;
}

/**
 * Runs now, and is not a life from before the last patch: neither the one that was noted then, nor one that a running hook hid
 * from the pod's status.
 */
export function isAnother({ id, running, before, startedBy, patchedAt, isSwitched, isOutdated }: Copy): boolean {
  if (!running || id === '' || id === before || isOutdated) return false;
  return !isSwitched || (startedBy ?? patchedAt) >= patchedAt;
}

/** It runs what was wanted before the last patch, the life from before it or a later one. */
export function isLeftOver({ id, running, before, isOutdated }: Copy): boolean {
  return running && (id === before || isOutdated);
}

/** These are surely not the names of one image. */
function differ(one: ImageNames = [], other: ImageNames = []): boolean {
  return one.length > 0 && other.length > 0 && !one.some((name) => other.includes(name));
}

/** A life that began after the last patch has ended. */
export function hasRestarted(copy: Copy): boolean {
  return copy.lost.length > 0;
}

/** The ends of lives that began after the last patch. */
function lostLives({ exits, id, running, before, patchedAt }: Omit<Copy, 'lost'>): ContainerExit[] {
  if (id === before || id === '') return [];
  return exits.filter(
    (exit) => exit.id !== before && !(running && exit.id === id) && (exit.startedBy ?? patchedAt) >= patchedAt,
  );
}

const endOf = (time: string | undefined): Pick<ContainerExit, 'startedBy'> => {
  const start = timeOf(time);
  return start === undefined ? {} : { startedBy: start + wholeSecond };
};

function timeOf(time: string | undefined): number | undefined {
  const parsed = Date.parse(time ?? '');
  return Number.isFinite(parsed) ? parsed : undefined;
}

export function isFresh(state: StateFile | undefined, now: number): state is StateFile {
  return state !== undefined && now - state.heartbeatAt <= heartbeatTimeout;
}

/**
 * The new copy's own process serves. Without the SDK: the kubelet shows the new life, so its postStart hook returned, and it did
 * not restart; one that did, or whose start nobody saw, must have run for a while. The end of a hook that ran when the kubelet
 * started is never seen, so then the deadline has to pass.
 */
export function serves(pair: Pair, view: View, record: UpgradeRecord, deadline: number): boolean {
  const copy = pair.new;
  if (!isAnother(copy)) return false;
  if (pair.usesSdk) return copy.state?.phase === 'serving' && isFresh(copy.state, view.now);
  const isDoubtful = copy.before === '' || hasRestarted(copy);
  if (isDoubtful && view.now - (copy.startedAt ?? view.now) < probation) return false;
  const hookIsUnknown = (view.kubeletStartedAt ?? 0) > record.phaseAt;
  return isShown(copy) && (!hookIsUnknown || view.now >= deadline);
}

/** The pod's status shows the newest life, ready: necessary, never sufficient. */
export function isShown({ shown, id }: Copy): boolean {
  return shown.running && shown.ready && shown.id === id;
}

/** The old copy serves still, or could at once. Without the SDK: it was never restarted. */
export function canTakeBack({ old, oldUsesSdk }: Pair, now: number): boolean {
  if (!oldUsesSdk) return old.running && old.id === old.before;
  const { state } = old;
  return isFresh(state, now) && (state.phase === 'serving' || state.holdsListeners);
}

/** Nothing is left in the old copy that the reset would cut, or it will never say. One that waits never had anything. */
export function isDrained({ old, oldUsesSdk }: Pair): boolean {
  const isEmpty = old.state?.phase === 'drained' || old.state?.phase === 'waiting';
  return !oldUsesSdk || isEmpty || old.id !== old.before || !old.running;
}

/** Since when the new copy serves: what its own process says, else since when this agent has seen it. */
export function servingSince({ new: copy }: Pair, record: UpgradeRecord, memory: Memory, now: number): number {
  const said = copy.state?.servingAt ?? memory.servingSince ?? now;
  return Math.min(Math.max(said, record.startedAt), now);
}
