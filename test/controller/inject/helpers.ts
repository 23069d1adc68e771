import type { Container, Pod } from '../../../api/kubernetes.ts';
import type { SidecarContainer, SidecarSet, SidecarSetSpec } from '../../../api/sidecar-set.ts';
import { jsonPatch, type Operation } from '../../../controller/inject/json-patch.ts';
import { inject, type Injected, type Injection } from '../../../controller/inject/inject.ts';

export const now = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A pod that the sets of {@link setOf} match. */
export const podOf = (spec: Partial<Pod['spec']> = {}, metadata: Pod['metadata'] = {}): Pod => ({
  metadata: { name: 'p', namespace: 'default', ...metadata, labels: { app: 'web', ...metadata.labels } },
  spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec },
});

/** A set with the hashes that the webhook would have written; their values do not matter here. */
export const setOf = (name: string, spec: Partial<SidecarSetSpec>): SidecarSet => ({
  metadata: {
    name,
    annotations: { 'kruise.io/sidecarset-hash': `hash-${name}`, 'kruise.io/sidecarset-hash-without-image': 'same' },
  },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  status: { matchedPods: 0, updatedPods: 0, readyPods: 0, latestRevision: `${name}-newest` },
});

export const cold: SidecarContainer = { name: 'log', image: 'log:1' };
export const hot: SidecarContainer = {
  name: 'mesh',
  image: 'mesh:1',
  podInjectPolicy: 'BeforeAppContainer',
  upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'mesh:empty' },
};

/** What becomes of the pod, and the patch that makes it so. */
export function injectInto(
  pod: Pod,
  sidecarSets: SidecarSet[],
  more: Partial<Injection> = {},
): Injected & { patch: Operation[] } {
  const injected = inject({ pod, sidecarSets, namespaces: [], revisions: [], now, draw: () => 0.5, ...more });
  return { ...injected, patch: jsonPatch(pod, injected.pod) };
}

export const containerOf = ({ spec }: Pod, name: string): Container | undefined =>
  [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].find((container) => container.name === name);

export const messagesOf = ({ warnings }: Injected): string[] => warnings.map(({ message }) => message);
