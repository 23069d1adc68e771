import type { ContainerStatus as WireStatus, Pod, PodCondition } from '../api/kubernetes.ts';
import type { ContainerStatus } from './container.ts';
import { digest } from './pod-spec.ts';

/** Whether a container counts as ready: it runs, and its postStart hook is over. */
const isReady = ({ state, hook }: ContainerStatus): boolean =>
  state.type === 'running' && state.pid > 0 && (hook === 'none' || hook === 'succeeded');

const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/**
 * One entry of `containerStatuses`, as a kubelet writes it. While it puts another image in, and while a postStart hook runs, the
 * kubelet shows what it showed before: a pod stays ready through an upgrade, unless a process ends by itself.
 *
 * @param shown - the entry until now
 * @param pullable - whether the image is on this machine
 */
export function wireStatus(status: ContainerStatus, shown: WireStatus | undefined, pullable: boolean): WireStatus {
  if (!isBetween(status)) return entryOf(status, pullable);
  const isSilent = status.lastExit === undefined || status.lastExit.reason === 'ImageChanged';
  if (shown && (isSilent || !shown.ready)) return shown;
  const waiting = { type: 'waiting', reason: 'ContainerCreating' } as const;
  return entryOf({ ...status, containerID: status.lastExit?.containerID ?? '', state: waiting }, pullable);
}

/** A life that is not there yet, or that its hook still holds up. */
function isBetween({ state, hook, lastExit }: ContainerStatus): boolean {
  if (state.type === 'running') return hook === 'running' || state.pid === 0;
  return state.type === 'waiting' && state.reason === 'ContainerCreating' && lastExit?.reason === 'ImageChanged';
}

function entryOf(status: ContainerStatus, pullable: boolean): WireStatus {
  const { name, image, containerID, restartCount, state, lastExit } = status;
  const terminated = lastExit && {
    containerID: lastExit.containerID,
    exitCode: lastExit.code ?? 137,
    reason: lastExit.reason === 'Completed' ? 'Completed' : 'Error',
    ...(lastExit.startError !== undefined && { message: lastExit.startError }),
    startedAt: time(lastExit.startedAt),
    finishedAt: time(lastExit.at),
  };
  const ready = isReady(status);
  return {
    name,
    image,
    imageID: containerID ? `local/${image}@sha256:${digest(image)}` : '',
    ...(containerID && { containerID }),
    restartCount,
    ready,
    started: ready,
    state: stateOf(state, lastExit, pullable) ?? (terminated ? { terminated } : {}),
    ...(terminated && { lastState: { terminated } }),
  };
}

function stateOf(
  state: ContainerStatus['state'],
  lastExit: ContainerStatus['lastExit'],
  pullable: boolean,
): WireStatus['state'] {
  if (state.type === 'running') return { running: { startedAt: time(state.startedAt) } };
  if (state.type === 'terminated') return undefined;
  const hookFailed = lastExit?.reason === 'PostStartHookError';
  return { waiting: { reason: pullable ? (hookFailed ? 'PostStartHookError' : state.reason) : 'ErrImagePull' } };
}

/**
 * The status of a pod from those of its containers. Conditions that others wrote stay; a condition that is as it was keeps its
 * time.
 */
export function podStatus(
  before: Pod['status'],
  { init, containers, address, now }: { init: WireStatus[]; containers: WireStatus[]; address: string; now: number },
): NonNullable<Pod['status']> {
  const all = [...init, ...containers];
  const condition = (type: string, holds: boolean): PodCondition => {
    const status = holds ? 'True' : 'False';
    const old = before?.conditions?.find((other) => other.type === type);
    return old?.status === status ? old : { type, status, lastTransitionTime: time(now) };
  };
  const ready = all.every((container) => container.ready);
  const conditions = [
    condition('PodScheduled', true),
    condition('Initialized', true),
    condition('ContainersReady', ready),
    condition('Ready', ready),
  ];
  const own = conditions.map(({ type }) => type);
  return {
    phase: all.every(({ containerID }) => containerID) ? 'Running' : 'Pending',
    podIP: address,
    hostIP: '127.0.0.1',
    conditions: [...(before?.conditions ?? []).filter(({ type }) => !own.includes(type)), ...conditions],
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: containers,
  };
}
