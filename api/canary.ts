import type { SidecarSet } from './sidecar-set.ts';

export const canaryKey = 'apps.kruise.io/sidecarset-canary';
export const baseKey = 'apps.kruise.io/sidecarset-base';

/** The SidecarSet that a canary set stands in for on the pods that both match; undefined when the set is no canary. */
export function baseOf({ metadata: { annotations } }: SidecarSet): string | undefined {
  return annotations?.[canaryKey] === 'true' ? annotations[baseKey] || undefined : undefined;
}

/** The sets that are left when each canary among them has pushed its base aside. */
export function withoutBases(sets: readonly SidecarSet[]): SidecarSet[] {
  const bases = new Set(sets.map(baseOf));
  return sets.filter(({ metadata }) => !bases.has(metadata.name));
}
