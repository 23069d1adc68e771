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

/** Both lists without repeating a name: what comes first wins. */
export function uniqueByName<T extends Volume | LocalObjectReference>(first: readonly T[], second: readonly T[]): T[] {
  const names = new Set<string | undefined>();
  return [...first, ...second].filter(({ name }) => !names.has(name) && names.add(name));
}
