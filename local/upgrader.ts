import { readStateFile } from './state-file.ts';
import type { StateFile } from '../api/pod-contract.ts';
import type { Image } from './container.ts';
import type { FailureReason, UpgradePhase, UpgradeResult, UpgradeView } from './hot-upgrade.ts';
import { decide } from './hot-upgrade.ts';
import type { Pod } from './pod.ts';
import { pairOf, resetPatch, rollBackPatch, upgradePatch } from './versions.ts';

/** One hot upgrade to be carried out. Durations in milliseconds. */
export interface UpgradeRequest {
  sidecar: string;
  /** The volume that the two copies share. */
  volume: string;
  version: string;
  image: Image;
  /** What the copy runs that is not in use. */
  idleImage: Image;
  migrationTimeout: number;
  drainTimeout: number;
  soak: number;
  onPhase?: (phase: UpgradePhase, detail: string) => void;
  signal?: AbortSignal;
}

/** How an upgrade went. */
export interface UpgradeOutcome {
  version: string;
  previousVersion: string;
  container: string;
  result: UpgradeResult | 'interrupted';
  reason?: FailureReason;
  message?: string;
  startedAt: number;
  endedAt: number;
  phases: { phase: UpgradePhase; ms: number }[];
  /** The last state file seen of each side; the predecessor's connections are counted from the upgrade's start. */
  predecessor?: StateFile;
  successor?: StateFile;
}

// Changes of a container wake the loop at once; state files are looked at this often, in milliseconds.
const look = 20;

/** Carries one hot upgrade out, to its end. Never throws for what the sidecar does: that is in the outcome. */
export async function upgrade(pod: Pod, request: UpgradeRequest): Promise<UpgradeOutcome> {
  const { sidecar, version, signal } = request;
  const pair = pairOf(sidecar, pod.annotations());
  const startedAt = Date.now();
  const phases: UpgradeOutcome['phases'] = [];
  const seen: { predecessor?: StateFile; successor?: StateFile } = {};
  let first: StateFile | undefined;
  let failure: { reason: FailureReason; message: string } | undefined;
  let phase: UpgradePhase = 'Upgrading';
  let since = startedAt;

  const ids = () => ({ old: pod.status(pair.working).containerID, new: pod.status(pair.other).containerID });
  let before = ids();
  const enter = (next: UpgradePhase, detail: string) => {
    const now = Date.now();
    phases.push({ phase, ms: now - since });
    phase = next;
    since = now;
    request.onPhase?.(next, detail);
  };
  const observe = (): UpgradeView => {
    const directory = pod.volume(request.volume);
    const oldState = readStateFile(directory, pair.version);
    const newState = readStateFile(directory, version);
    if (phase === 'Upgrading' || phase === 'Soaking' || phase === 'RollingBack') {
      first ??= oldState;
      if (oldState) seen.predecessor = countedSince(first, oldState);
    }
    if (newState) seen.successor = newState;
    return {
      phase,
      since,
      now: Date.now(),
      deadline: startedAt + request.migrationTimeout,
      soak: request.soak,
      drainTimeout: request.drainTimeout,
      before,
      old: { status: pod.status(pair.working), state: oldState },
      new: { status: pod.status(pair.other), state: newState },
    };
  };
  const outcome = (result: UpgradeOutcome['result'], message?: string): UpgradeOutcome => {
    const endedAt = Date.now();
    phases.push({ phase, ms: endedAt - since });
    const why = { ...failure, ...(message === undefined ? {} : { message }) };
    const { other: container, version: previousVersion } = pair;
    return { version, previousVersion, container, result, ...why, startedAt, endedAt, phases, ...seen };
  };

  pod.patch({ annotations: upgradePatch(sidecar, pair, version), images: { [pair.other]: request.image } });
  request.onPhase?.('Upgrading', `${pair.other} becomes version ${version}`);
  for (;;) {
    if (signal?.aborted) return outcome('interrupted');
    const step = decide(observe());
    switch (step.do) {
      case 'wait':
        break;
      case 'soak':
        enter('Soaking', `version ${version} serves`);
        break;
      case 'reset':
        before = ids();
        enter('Resetting', `${pair.working} stops`);
        pod.patch({ annotations: resetPatch(pair), images: { [pair.working]: request.idleImage } });
        break;
      case 'roll-back':
        failure = { reason: step.reason, message: step.message };
        before = ids();
        enter('RollingBack', step.message);
        pod.patch({ annotations: rollBackPatch(sidecar, pair), images: { [pair.other]: request.idleImage } });
        break;
      case 'kill-new':
        pod.kill(pair.other, 0);
        break;
      case 'finish':
        return outcome(step.result, step.message);
    }
    if (step.do === 'wait' || step.do === 'kill-new') await pod.changed(look);
  }
}

/** A process that took back once counts on; another one begins at zero. */
export function countedSince(first: StateFile | undefined, last: StateFile): StateFile {
  if (!first || first.startedAt !== last.startedAt) return last;
  const counters = { ...last.counters };
  for (const key of ['moved', 'received', 'finished', 'cut', 'takenBack'] as const) {
    counters[key] = (counters[key] ?? 0) - (first.counters[key] ?? 0);
  }
  return { ...last, counters };
}
