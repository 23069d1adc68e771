import type { Container, Pod, PodSpec } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { hotSidecars } from './annotations.ts';
import { hasFolder, hasRoomForVolume, withVolume } from './baton-volume.ts';
import { mergeContainers, sortByName, type Placed } from './merging.ts';
import { isInjectedContainer } from './shares.ts';
import { sidecarsOf } from './sidecars.ts';
import { mergeVolumes, uniqueByName, volumesOf } from './volumes.ts';
import type { WarnOf } from './warnings.ts';

/** What one set puts into a pod. */
export interface Built {
  set: SidecarSet;
  init: Placed[];
  containers: Placed[];
  /** Whether its hot sidecars have a folder in Baton's volume. */
  needsVolume: boolean;
}

/**
 * The sidecars of all sets, made for a pod as it is before any of them is in it.
 *
 * @param carried sets whose sidecars the pod has already
 */
export function buildSidecars(
  pod: Pod,
  sets: readonly SidecarSet[],
  carried: readonly SidecarSet[],
  warnOf: WarnOf,
): Built[] {
  const declared = new Set(
    [...carried, ...sets].flatMap(({ spec }) =>
      [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name }) => name),
    ),
  );
  const taken = [...(pod.spec?.volumes ?? []), ...sets.flatMap(volumesOf)];
  const hasVolume = hasRoomForVolume(taken);
  return sets.map((set) => {
    const warn = warnOf(set);
    const isHot = hotSidecars(set).length > 0;
    if (isHot && !hasVolume) warn('another volume is named baton, so the copies of hot sidecars meet in /dev/shm');
    const sidecars = sidecarsOf(set, { pod, declared, hasVolume }, warn);
    const placed = [...sidecars.init, ...sidecars.containers];
    return { set, ...sidecars, needsVolume: isHot && placed.some(({ container }) => hasFolder(container)) };
  });
}

/** A pod with sidecars, their volumes and pull secrets (`sidecarset.md` 2.4). */
export function withSidecars(
  pod: Pod,
  built: readonly Built[],
  { sortContainersByName, warnOf }: { sortContainersByName: boolean; warnOf: WarnOf },
): Pod {
  const spec: Partial<PodSpec> = pod.spec ?? {};
  const existing = spec.containers ?? [];
  for (const { set, init, containers } of built) {
    const replaced = [...replacedBy(init, spec.initContainers ?? []), ...replacedBy(containers, existing)];
    for (const name of replaced) warnOf(set)(`container ${name}: it replaces the pod's own container of that name`);
  }
  const init = sortByName(built.flatMap(({ init }) => init));
  const containers = built.flatMap(({ containers }) => containers);
  const volumes = mergeVolumes(
    spec.volumes ?? [],
    built.flatMap(({ set }) => volumesOf(set)),
  );
  const secrets = uniqueByName([
    ...(spec.imagePullSecrets ?? []),
    ...built.flatMap(({ set }) => set.spec.imagePullSecrets ?? []),
  ]);
  return {
    ...pod,
    spec: {
      ...spec,
      ...given('initContainers', mergeContainers(spec.initContainers ?? [], init)),
      containers: mergeContainers(existing, sortContainersByName ? sortByName(containers) : containers),
      ...given('volumes', built.some(({ needsVolume }) => needsVolume) ? withVolume(volumes) : volumes),
      ...given('imagePullSecrets', secrets),
    },
  };
}

/** Names of the application's own containers that injected ones take the place of. */
const replacedBy = (injected: readonly Placed[], existing: readonly Container[]): string[] =>
  [...new Map(existing.map((container) => [container.name, container])).values()]
    .filter((container) => !isInjectedContainer(container))
    .map(({ name }) => name)
    .filter((name) => injected.some(({ container }) => container.name === name));

/** A field with a list, unless the list is empty. */
const given = <T>(field: string, list: readonly T[]): Record<string, readonly T[]> =>
  list.length > 0 ? { [field]: list } : {};
