import type { Container, ContainerStatus, Pod } from './kubernetes.ts';

/** What is seen of a container's life: from the pod's status, or from the container runtime. */
export interface LifeFacts {
  /** Empty before the first start. */
  id: string;
  running: boolean;
  ready: boolean;
}

/** A container's life as the pod's status tells it. */
export function lifeOf(pod: Pod, container: string): LifeFacts {
  const status = statusOf(pod, container);
  return {
    id: bareID(status?.containerID),
    running: status?.state?.running !== undefined,
    ready: status?.ready ?? false,
  };
}

/** A container's ID without the runtime's name before it (`containerd://`); empty when there is none. */
export function bareID(containerID: string | undefined): string {
  return containerID?.replace(/^\w+:\/\//, '') ?? '';
}

/** The status of a container or native sidecar. */
export function statusOf(pod: Pod, container: string): ContainerStatus | undefined {
  const { containerStatuses, initContainerStatuses } = pod.status ?? {};
  return named(containerStatuses, container) ?? named(initContainerStatuses, container);
}

/** A container or native sidecar by its name. */
export function containerOf({ spec }: Pod, name: string): Container | undefined {
  return named(spec?.containers, name) ?? named(spec?.initContainers, name);
}

/** A plain loop: a rollout asks this several times of every pod. */
function named<T extends { name: string }>(items: readonly T[] | undefined, name: string): T | undefined {
  if (items) for (const item of items) if (item.name === name) return item;
  return undefined;
}

/** A container or native sidecar, with the JSON pointer of its place in the pod. */
export function findContainer(pod: Pod, name: string): { container: Container; path: string } | undefined {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  for (const [list, kind] of [
    [containers, 'containers'],
    [initContainers, 'initContainers'],
  ] as const) {
    const index = list.findIndex((container) => container.name === name);
    const container = list[index];
    if (container) return { container, path: `/spec/${kind}/${index}` };
  }
  return undefined;
}
