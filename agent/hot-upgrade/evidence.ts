import { bareID, lifeOf, statusOf } from '../../api/containers.ts';
import type { LifeFacts } from '../../api/containers.ts';
import { versionKey } from '../../api/pod-contract.ts';
import type { StateFile } from '../../api/pod-contract.ts';
import type { UpgradeRecord, UpgradingSidecar } from '../../api/upgrade-record.ts';
import { otherCopy } from '../../api/pod-contract.ts';
import type { ContainerExit, Memory, View } from './view.ts';

/** A state file whose heartbeat is older than this is a hung process's (design section 4), in milliseconds. */
export const heartbeatTimeout = 5_000;

/** How long a copy that another agent, or OpenKruise, started must have run to be believed without the SDK, in milliseconds. */
const unseenStart = 30_000;
/** The pod's status knows whole seconds only. */
const wholeSecond = 999;

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
  startedAt: number | undefined;
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
  const ended = [status?.lastState?.terminated, status?.state?.terminated];
  const shownExits = ended.flatMap((end): ContainerExit[] =>
    end
      ? [{ id: bareID(end.containerID), reason: end.reason, exitCode: end.exitCode, ...startedBy(end.startedAt) }]
      : [],
  );
  const waiting = status?.state?.waiting;
  const seen = {
    name,
    id: runtime?.id ?? shown.id,
    running: runtime?.running ?? shown.running,
    shown,
    waiting: waiting && { reason: waiting.reason ?? '', message: waiting.message ?? '' },
    exits: runtime ? [...runtime.exits, ...shownExits] : shownExits,
    before: record.previous.containerIDs[name] ?? '',
    startedAt: runtime?.startedAt ?? timeOf(status?.state?.running?.startedAt),
    state: undefined,
  };
  const copy: Copy = { ...seen, lost: lostLives(seen, record.phaseAt) };
  return { ...copy, state: state && isOwn(copy, state, runtime?.startedAt) ? state : undefined };
}

/** Not left behind by an earlier life with the same version. */
function isOwn(copy: Copy, state: StateFile, exactStart: number | undefined): boolean {
  const { running, startedAt } = copy;
  if (!running || startedAt === undefined) return false;
  // The process says when it started in its own clock reading, which may round.
  if (state.startedAt + 50 < startedAt) return false;
  return !hasRestarted(copy) || state.heartbeatAt > (exactStart ?? startedAt + wholeSecond);
}

/** Runs now, and is not the life from before the last patch. */
export function isAnother({ id, running, before }: Copy): boolean {
  return running && id !== '' && id !== before;
}

/** A life that began after the last patch has ended. */
export function hasRestarted(copy: Copy): boolean {
  return copy.lost.length > 0;
}

/** The ends of lives that began after the last patch. */
function lostLives({ exits, id, running, before }: Omit<Copy, 'lost'>, patchedAt: number): ContainerExit[] {
  if (id === before || id === '') return [];
  return exits.filter(
    (exit) => exit.id !== before && !(running && exit.id === id) && (exit.startedBy ?? patchedAt) >= patchedAt,
  );
}

const startedBy = (time: string | undefined): Pick<ContainerExit, 'startedBy'> => {
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
 * The new copy's own process serves. Without the SDK: the kubelet shows the new life, so its postStart hook returned; the
 * end of a hook that ran when the kubelet started is never seen, so then the deadline has to pass.
 */
export function serves(pair: Pair, view: View, record: UpgradeRecord, deadline: number): boolean {
  const copy = pair.new;
  if (!isAnother(copy)) return false;
  if (pair.usesSdk) return copy.state?.phase === 'serving' && isFresh(copy.state, view.now);
  if (copy.before === '' && view.now - (copy.startedAt ?? view.now) < unseenStart) return false;
  const hookIsUnknown = (view.kubeletStartedAt ?? 0) > record.phaseAt;
  return isShown(copy) && !hasRestarted(copy) && (!hookIsUnknown || view.now >= deadline);
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

/** Nothing is left in the old copy that the reset would cut, or it will never say. */
export function isDrained({ old, oldUsesSdk }: Pair): boolean {
  return !oldUsesSdk || old.state?.phase === 'drained' || old.id !== old.before || !old.running;
}

/** Since when the new copy serves: what its own process says, else since when this agent has seen it. */
export function servingSince({ new: copy }: Pair, record: UpgradeRecord, memory: Memory, now: number): number {
  const said = copy.state?.servingAt ?? memory.servingSince ?? now;
  return Math.min(Math.max(said, record.startedAt), now);
}
