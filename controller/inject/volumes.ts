import type { Container, LocalObjectReference, Volume } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';

/**
 * The volumes that a set's own mounts and devices name, init containers first (`sidecarset.md` 2.4); of two with one name the
 * last counts. Those that nothing names are not injected.
 */
export function volumesOf({ spec }: SidecarSet): Volume[] {
  const declared = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  const used = new Set([...(spec.initContainers ?? []), ...(spec.containers ?? [])].flatMap(namesUsed));
  return [...used].flatMap((name) => declared.get(name) ?? []);
}

const namesUsed = ({ volumeMounts, volumeDevices }: Container): string[] =>
  [...(volumeMounts ?? []), ...(volumeDevices ?? [])].map(({ name }) => name);

/** A pod's volumes, all of them as they are, and those of the others whose names are free. */
export function mergeVolumes(existing: readonly Volume[], added: readonly Volume[]): Volume[] {
  const taken = new Set(existing.map(({ name }) => name));
  return [...existing, ...uniqueByName(added).filter(({ name }) => !taken.has(name))];
}

/** A list without what repeats a name. */
export function uniqueByName<T extends Volume | LocalObjectReference>(list: readonly T[]): T[] {
  const names = new Set<string | undefined>();
  return list.filter(({ name }) => !names.has(name) && names.add(name));
}
