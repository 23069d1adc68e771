import { isPinned, sameImage } from './image.ts';
import type { Container, ContainerStatus, Pod } from './kubernetes.ts';
import type { InPlaceStates } from './pod-annotations.ts';
import type { Reading } from './reading.ts';

/** The image IDs from before the last change of an image, by container; a problem where the annotation is none. */
export type RecordedImages = Reading<ReadonlyMap<string, string>>;

/** What the in-place update state recorded for one set. */
export function recordedImages(states: Reading<InPlaceStates>, set: string): RecordedImages {
  return 'problem' in states ? states : { value: states.value.get(set)?.imageIDs ?? new Map() };
}

/**
 * Whether these containers run the images of the pod's spec, as far as the status tells (`sidecarset.md` 3.5). Native sidecars
 * count like containers (Q28), and references are compared as runtimes spell them (Q6).
 *
 * @param names - containers and native sidecars; those that the pod lacks are not looked at
 * @param recorded - called only if the status names another image than the spec
 */
export function isConsistent(pod: Pod, names: ReadonlySet<string>, recorded: () => RecordedImages): boolean {
  if ((pod.spec?.containers.length ?? 0) !== (pod.status?.containerStatuses?.length ?? 0)) return false;
  for (const [container, status] of lookedAt(pod, names)) {
    if (!isPinned(container.image ?? '')) return isUpdateCompleted(pod, names, recorded);
    if (!runsDigest(container, status)) return false;
  }
  return true;
}

/**
 * Whether the last change of these containers' images has reached the status: another image ID than was recorded, or the
 * image of the spec. Where the record cannot be read the images decide alone (oracle surprise 15: OpenKruise waits for ever).
 */
export function isUpdateCompleted(pod: Pod, names: ReadonlySet<string>, recorded: () => RecordedImages): boolean {
  for (const [{ image = '' }, status] of lookedAt(pod, names)) {
    if (status === undefined || image === status.image) continue;
    const before = recorded();
    const mayBeOld = 'problem' in before || before.value.get(status.name) === status.imageID;
    if (mayBeOld && !sameImage(image, status.image)) return false;
  }
  return true;
}

function runsDigest({ image = '' }: Container, status: ContainerStatus | undefined): boolean {
  const imageID = status?.imageID.replace(/^.*?:\/\//, '') ?? '';
  return isPinned(imageID) && sameImage(image, imageID);
}

function* lookedAt(pod: Pod, names: ReadonlySet<string>): Generator<[Container, ContainerStatus | undefined]> {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  for (const container of containers) {
    if (names.has(container.name)) yield [container, containerStatuses.find(({ name }) => name === container.name)];
  }
  for (const container of initContainers) {
    if (names.has(container.name)) yield [container, initContainerStatuses.find(({ name }) => name === container.name)];
  }
}
