import type { ContainerStatus as WireStatus, Pod, PodCondition } from '../api/kubernetes.ts';
import type { ContainerStatus } from './container.ts';
import { digest } from './pod-spec.ts';

/** Whether a container counts as ready: it runs, and its postStart hook is over. */
const isReady = ({ state, hook }: ContainerStatus): boolean =>
  state.type === 'running' && (hook === 'none' || hook === 'succeeded');

const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** One entry of `containerStatuses`, as a kubelet writes it. `pullable` = the image is on this machine. */
export function wireStatus(status: ContainerStatus, pullable: boolean): WireStatus {
  const { name, image, containerID, restartCount, state, lastExit } = status;
  const terminated = lastExit && {
    containerID: lastExit.containerID,
    exitCode: lastExit.code ?? 137,
    reason: lastExit.reason === 'Completed' ? 'Completed' : 'Error',
    ...(lastExit.startError !== undefined && { message: lastExit.startError }),
    finishedAt: time(lastExit.at),
  };
  const waiting = state.type === 'waiting' ? { reason: pullable ? state.reason : 'ErrImagePull' } : undefined;
  return {
    name,
    image,
    imageID: containerID ? `local/${image}@sha256:${digest(image)}` : '',
    ...(containerID && { containerID }),
    restartCount,
    ready: isReady(status),
    started: isReady(status),
    state:
      state.type === 'running'
        ? { running: { startedAt: time(state.startedAt) } }
        : waiting
          ? { waiting }
          : terminated
            ? { terminated }
            : {},
    ...(terminated && { lastState: { terminated } }),
  };
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
