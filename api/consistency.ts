import { statusOf } from './containers.ts';
import { isPinned, sameImage } from './image.ts';
import type { Container, ContainerStatus, Pod, PodSpec } from './kubernetes.ts';
import type { InPlaceStates } from './pod-annotations.ts';
import type { Reading } from './reading.ts';

/** The image IDs from before the last change of an image, by container; a problem where the annotation is none. */
export type RecordedImages = Reading<ReadonlyMap<string, string>>;

/** As the wire may have it: Go reads a missing image, or image ID, as an empty one. */
type SeenStatus = Pick<ContainerStatus, 'name'> & Partial<ContainerStatus>;

/**
 * What the in-place update state recorded for one set, but of containers that are known to be new since: an image that is the
 * other one under a second tag, as empty images are, has the same ID, and the status names either tag.
 */
export function recordedImages(
  states: Reading<InPlaceStates>,
  set: string,
  isRenewed: (container: string) => boolean = () => false,
): RecordedImages {
  if ('problem' in states) return states;
  const imageIDs = states.value.get(set)?.imageIDs ?? new Map<string, string>();
  return { value: new Map([...imageIDs].filter(([container]) => !isRenewed(container))) };
}

/**
 * Whether these containers run the images of the pod's spec, as far as the status tells (`sidecarset.md` 3.5). Native sidecars
 * count like containers (Q28), and references are compared as runtimes spell them (Q6).
 *
 * @param names - containers and native sidecars; those that the pod lacks are not looked at
 * @param recorded - called only if the status names another image than the spec
 */
export function isConsistent(pod: Pod, names: ReadonlySet<string>, recorded: () => RecordedImages): boolean {
  if (containersIn(pod).length !== (pod.status?.containerStatuses?.length ?? 0)) return false;
  for (const container of containersOf(pod)) {
    if (!names.has(container.name)) continue;
    if (!mayBePinned(container) || !isPinned(container.image ?? '')) return isUpdateCompleted(pod, names, recorded);
    if (!runsDigest(container, statusOf(pod, container.name))) return false;
  }
  return true;
}

/**
 * Whether the last change of these containers' images has reached the status: another image ID than was recorded, or the
 * image of the spec. Where the record cannot be read the images decide alone (oracle surprise 15: OpenKruise waits for ever).
 */
export function isUpdateCompleted(pod: Pod, names: ReadonlySet<string>, recorded: () => RecordedImages): boolean {
  for (const { name, image = '' } of containersOf(pod)) {
    if (!names.has(name)) continue;
    const status: SeenStatus | undefined = statusOf(pod, name);
    if (status === undefined) continue;
    const { image: running = '', imageID = '' } = status;
    if (image === running) continue;
    const before = recorded();
    const mayBeOld = 'problem' in before || before.value.get(name) === imageID;
    if (mayBeOld && !sameImage(image, running)) return false;
  }
  return true;
}

/**
 * A container that is ready and yet not consistent by itself: its last change is still under way (4.2).
 *
 * @param all - what {@link isConsistent} said of all the names: then only digests need another look
 */
export function unsettledContainer(
  pod: Pod,
  names: ReadonlySet<string>,
  recorded: () => RecordedImages,
  all: boolean,
): string | undefined {
  if (all && !containersOf(pod).some(mayBePinned)) return undefined;
  for (const name of names) {
    if (statusOf(pod, name)?.ready && !isConsistent(pod, new Set([name]), recorded)) return name;
  }
  return undefined;
}

/** A pod from a file may lack what Kubernetes always writes. */
const containersIn = ({ spec = {} }: { spec?: Partial<PodSpec> }): readonly Container[] => spec.containers ?? [];

const containersOf = (pod: Pod): readonly Container[] =>
  pod.spec?.initContainers ? [...containersIn(pod), ...pod.spec.initContainers] : containersIn(pod);

const mayBePinned = ({ image }: Container): boolean => image?.includes('@') ?? false;

function runsDigest({ image = '' }: Container, status: SeenStatus | undefined): boolean {
  const imageID = status?.imageID?.replace(/^.*?:\/\//, '') ?? '';
  return isPinned(imageID) && sameImage(image, imageID);
}
