import type { StateFile } from '../api/pod-contract.ts';
import type { ContainerStatus } from './container.ts';

/** A state file whose heartbeat is older than this is a hung process's (design section 4), in milliseconds. */
export const heartbeatTimeout = 5_000;
/** How long a rolled-back copy may take to stop before it is stopped by force, in milliseconds. */
export const rollBackPatience = 3_000;
/** How long the old copy may take to serve again after a roll-back, in milliseconds. */
export const takeBackPatience = 10_000;

export type UpgradePhase = 'Upgrading' | 'Soaking' | 'Resetting' | 'RollingBack';
export type UpgradeResult = 'done' | 'rolled-back' | 'degraded';
export type FailureReason = 'Crashed' | 'PostStartFailed' | 'ReportedError' | 'HeartbeatLost' | 'DeadlineExceeded';

/** One copy as it is seen now. */
export interface CopyView {
  status: ContainerStatus;
  state?: StateFile | undefined;
}

/** Where an upgrade stands; times in milliseconds of one clock. */
export interface UpgradeView {
  phase: UpgradePhase;
  /** When this phase began. */
  since: number;
  now: number;
  /** Upgrading may last until then. */
  deadline: number;
  soak: number;
  drainTimeout: number;
  /** The two containers' IDs just before the present phase's patch; those before the upgrade until there is a later patch. */
  before: { old: string; new: string };
  /** The copy that served when the upgrade began, and the one that is to follow it. */
  old: CopyView;
  new: CopyView;
}

/** What to do next. Everything but `wait` ends the present phase, or the upgrade. */
export type Step =
  | { do: 'wait'; because: string }
  | { do: 'soak' }
  | { do: 'reset' }
  | { do: 'roll-back'; reason: FailureReason; message: string }
  | { do: 'kill-new' }
  | { do: 'finish'; result: UpgradeResult; message?: string };

/** Decides the next step of a hot upgrade from what is seen now, and from nothing else. */
export function decide(view: UpgradeView): Step {
  switch (view.phase) {
    case 'Upgrading':
      return takesOver(view) ? { do: 'soak' } : failOrWait(view, 'the new copy does not serve yet');
    case 'Soaking':
      return serves(view.new, view.now) ? soak(view) : failOrWait(view, 'the new copy does not serve');
    case 'Resetting':
      return isAnother(view.old, view.before.old)
        ? { do: 'finish', result: 'done' }
        : { do: 'wait', because: 'the old copy is stopping' };
    case 'RollingBack':
      return rollBack(view);
  }
}

/** True when the copy's own process said lately that it serves. */
export function serves(copy: CopyView, now: number): boolean {
  const state = ownState(copy);
  return state?.phase === 'serving' && now - state.heartbeatAt <= heartbeatTimeout;
}

function takesOver(view: UpgradeView): boolean {
  const { hook } = view.new.status;
  return (
    isAnother(view.new, view.before.new) && serves(view.new, view.now) && (hook === 'none' || hook === 'succeeded')
  );
}

function soak(view: UpgradeView): Step {
  const soaked = view.now - view.since;
  if (soaked < view.soak) return { do: 'wait', because: 'soaking' };
  const drained = ownState(view.old)?.phase === 'drained';
  if (drained || isAnother(view.old, view.before.old) || soaked >= view.drainTimeout) return { do: 'reset' };
  return { do: 'wait', because: 'the old copy drains' };
}

function failOrWait(view: UpgradeView, because: string): Step {
  const failure = failureOf(view);
  if (!failure) return { do: 'wait', because };
  if (canTakeBack(view.old, view.now)) return { do: 'roll-back', ...failure };
  if (view.now < view.deadline) return { do: 'wait', because: 'neither copy serves' };
  return { do: 'finish', result: 'degraded', message: `${failure.message}, and the old copy cannot take back` };
}

function failureOf(view: UpgradeView): { reason: FailureReason; message: string } | undefined {
  const { status } = view.new;
  // Until the new life began, the status tells of the idle one and of those before it.
  const begun = status.containerID !== view.before.new;
  const state = begun ? ownState(view.new) : undefined;
  const exit = begun && status.lastExit?.containerID !== view.before.new ? status.lastExit : undefined;
  if ((begun && status.hook === 'failed') || exit?.reason === 'PostStartHookError') {
    return { reason: 'PostStartFailed', message: 'the postStart hook of the new copy failed' };
  }
  if (exit) {
    return {
      reason: 'Crashed',
      message: `the new copy ended (${exit.startError ?? exit.signal ?? `exit code ${exit.code ?? '?'}`})`,
    };
  }
  if (state?.error ?? state?.phase === 'failed') {
    return { reason: 'ReportedError', message: `the new copy reported ${describe(state)}` };
  }
  if (state && view.now - state.heartbeatAt > heartbeatTimeout) {
    return {
      reason: 'HeartbeatLost',
      message: `the new copy's last heartbeat is ${view.now - state.heartbeatAt} ms old`,
    };
  }
  if (view.phase === 'Upgrading' && view.now >= view.deadline) {
    return { reason: 'DeadlineExceeded', message: 'the new copy did not serve in time' };
  }
  return undefined;
}

function rollBack(view: UpgradeView): Step {
  const waited = view.now - view.since;
  if (!isAnother(view.new, view.before.new)) {
    const alive = view.new.status.containerID === view.before.new && view.new.status.state.type === 'running';
    return alive && waited >= rollBackPatience
      ? { do: 'kill-new' }
      : { do: 'wait', because: 'the new copy is stopping' };
  }
  if (serves(view.old, view.now)) return { do: 'finish', result: 'rolled-back' };
  if (waited < takeBackPatience) return { do: 'wait', because: 'the old copy takes back' };
  return { do: 'finish', result: 'degraded', message: 'the old copy does not serve after the roll-back' };
}

function canTakeBack(copy: CopyView, now: number): boolean {
  const state = ownState(copy);
  return (
    state !== undefined &&
    now - state.heartbeatAt <= heartbeatTimeout &&
    (state.phase === 'serving' || state.holdsListeners)
  );
}

/** Runs now, and is not the life with that ID. */
function isAnother(copy: CopyView, containerID: string): boolean {
  return copy.status.state.type === 'running' && copy.status.containerID !== containerID;
}

/** The state file, unless an earlier life of the container left it. */
function ownState(copy: CopyView): StateFile | undefined {
  const { state } = copy.status;
  if (state.type !== 'running' || !copy.state) return undefined;
  // The process says when it started in its own clock reading, which may round.
  return copy.state.startedAt + 50 >= state.startedAt ? copy.state : undefined;
}

function describe(state: StateFile | undefined): string {
  return state?.error ? `${state.error.code}: ${state.error.message}` : 'a failure';
}
