import { equalImages, isPinned, sameImage } from '../../../api/image.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { readInPlaceStates, readWorking } from '../../../api/pod-annotations.ts';
import { patchAnnotations } from '../../../api/pod-metadata.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';

type Excuse = (set: SidecarSet, pod: Pod) => boolean;

const IN_PLACE_STATE = 'kruise.io/sidecarset-inplace-update-state';
const WORKING = 'kruise.io/sidecarset-working-hotupgrade-container';

const hotSidecars = ({ spec }: SidecarSet): { name: string; empty: string }[] =>
  (spec.containers ?? [])
    .filter(({ upgradeStrategy }) => upgradeStrategy?.upgradeType === 'HotUpgrade')
    .map(({ name, upgradeStrategy }) => ({ name, empty: upgradeStrategy?.hotUpgradeEmptyImage ?? '' }));

const imageOf = ({ spec }: Pod, container: string): string | undefined =>
  spec?.containers.find(({ name }) => name === container)?.image;

/** Q6: a container's image and what the runtime calls it differ in spelling only; OpenKruise waits for ever. */
export const q6Spelling: Excuse = (_set, { spec, status }) =>
  (spec?.containers ?? []).some(({ name, image = '' }) => {
    const running = status?.containerStatuses?.find((container) => container.name === name);
    if (!running) return false;
    if (!isPinned(image)) return image !== running.image && sameImage(image, running.image);
    const imageID = running.imageID.replace(/^.*?:\/\//, '');
    return !equalImages(image, imageID) && sameImage(image, imageID);
  });

/** Surprise 15: an in-place state that is there and cannot be read; OpenKruise waits for ever. */
export const surprise15State: Excuse = (_set, { metadata }) => {
  const text = metadata?.annotations?.[IN_PLACE_STATE];
  return text !== undefined && (text === '' || 'problem' in readInPlaceStates(text));
};

/** Surprise 4: an in-place state or a hash annotation that makes OpenKruise panic. */
export const surprise4Panic: Excuse = (set, { metadata }) => {
  const state = metadata?.annotations?.[IN_PLACE_STATE] ?? '';
  const isNullEntry = new RegExp(`"${set.metadata.name ?? ''}"\\s*:\\s*null`).test(state);
  const hashes = ['kruise.io/sidecarset-hash', 'kruise.io/sidecarset-hash-without-image'];
  return isNullEntry || hashes.some((key) => metadata?.annotations?.[key]?.trim() === 'null');
};

/** Q2: the idle copy has another image than the set's empty one, or a version beside it; OpenKruise judges by the image. */
export const q2EmptyImage: Excuse = (set, pod) => {
  const working = readWorking(pod.metadata?.annotations?.[WORKING]);
  return hotSidecars(set).some(({ name, empty }) => {
    const named = 'problem' in working ? undefined : working.value.get(name);
    const idle = named === `${name}-1` ? `${name}-2` : `${name}-1`;
    const version = pod.metadata?.annotations?.[`version.sidecarset.kruise.io/${idle}`];
    const image = imageOf(pod, idle);
    return version !== undefined && image !== undefined && (version === '0') !== (image === empty);
  });
};

/** Surprise 14: the working annotation names no copy, or the empty one; OpenKruise then empties the live one. */
export const surprise14Working: Excuse = (set, pod) => {
  const working = readWorking(pod.metadata?.annotations?.[WORKING]);
  return hotSidecars(set).some(({ name, empty }) => {
    const pair = [`${name}-1`, `${name}-2`];
    const named = 'problem' in working ? undefined : working.value.get(name);
    if (named === undefined) return false;
    const other = pair.find((copy) => copy !== named) ?? '';
    return !pair.includes(named) || (imageOf(pod, named) === empty && imageOf(pod, other) !== empty);
  });
};

/** 1.1: a hot sidecar without an empty image, which Baton refuses; pods that have one are left alone. */
export const noEmptyImage: Excuse = (set) => hotSidecars(set).some(({ empty }) => empty === '');

/** Q28: native sidecars are upgraded like containers; OpenKruise does not look at them. */
export const q28Native: Excuse = ({ spec }) =>
  (spec.initContainers ?? []).some(({ restartPolicy }) => restartPolicy === 'Always');

/** Q21: a `patchPodMetadata` that cannot be merged into the pod's annotation; OpenKruise then upgrades no pod at all. */
export const q21Merge: Excuse = ({ spec }, { metadata }) =>
  patchAnnotations(metadata?.annotations ?? {}, spec.patchPodMetadata ?? []).unmerged.length > 0;

const EXCUSES: Readonly<Record<string, Excuse>> = {
  q6Spelling,
  surprise15State,
  surprise4Panic,
  q2EmptyImage,
  surprise14Working,
  noEmptyImage,
  q28Native,
  q21Merge,
};

/** The quirk or surprise because of which Baton may judge this pod otherwise. */
export const excuseOf = (set: SidecarSet, pod: Pod): string | undefined =>
  Object.keys(EXCUSES).find((name) => EXCUSES[name]?.(set, pod));
