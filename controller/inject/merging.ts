import { compareBytes } from '../../api/json.ts';
import type { Container } from '../../api/kubernetes.ts';
import type { SidecarContainer } from '../../api/sidecar-set.ts';

/** A container ready for a pod, and where it goes. */
export interface Placed {
  container: Container;
  policy: SidecarContainer['podInjectPolicy'];
}

/**
 * A pod's containers with the injected ones in front or behind. One that the pod has already is replaced where it stands
 * (Q17), the last where several have the name; two injected ones of the same name both stay, and the API server refuses the pod.
 */
export function mergeContainers(existing: readonly Container[], injected: readonly Placed[]): Container[] {
  const places = new Map(existing.map(({ name }, index) => [name, index]));
  const added = injected.filter(({ container }) => !places.has(container.name));
  const kept = [...existing];
  for (const { container } of injected) {
    const place = places.get(container.name);
    if (place !== undefined) kept[place] = container;
  }
  return [
    ...added.filter(({ policy }) => policy === 'BeforeAppContainer').map(({ container }) => container),
    ...kept,
    ...added.filter(({ policy }) => policy !== 'BeforeAppContainer').map(({ container }) => container),
  ];
}

/** By name, bytewise; equal names keep their order. */
export function sortByName(containers: readonly Placed[]): Placed[] {
  return [...containers].sort((a, b) => compareBytes(a.container.name, b.container.name));
}
