import { withoutBases } from '../../api/canary.ts';
import { printTime } from '../../api/go-json.ts';
import type { Namespace, Pod } from '../../api/kubernetes.ts';
import { grantKey, injectedLabel, upgradeKey } from '../../api/pod-contract.ts';
import { patchAnnotations } from '../../api/pod-metadata.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { carries, injectedAnnotations } from './annotations.ts';
import { buildSidecars, withSidecars } from './assembly.ts';
import { matchingSets } from './matching.ts';
import { possibleSpecs, specToInject, type RevisionChoice } from './revision.ts';
import type { Warning, WarnOf } from './warnings.ts';

/** A pod being created, and all that decides what becomes of it. Nothing in it is changed. */
export interface Injection extends RevisionChoice {
  pod: Pod;
  /** All SidecarSets of the cluster as `v1beta1`, defaulted; their order is the order of their containers. */
  sidecarSets: readonly SidecarSet[];
  namespaces: readonly Namespace[];
  /** Milliseconds since the epoch. */
  now: number;
  /** OpenKruise's feature gate `EnableSortSidecarContainerByName`. */
  sortContainersByName?: boolean;
}

/** The pod to be stored. */
export interface Injected {
  pod: Pod;
  /** The sets that the pod now carries, by their names. */
  sidecarSets: string[];
  warnings: Warning[];
}

/**
 * Injects into a pod what the SidecarSets that match it say (`sidecarset.md` 2, design section 3). Asked again about a pod that
 * carries a set already, it leaves that set's part alone.
 *
 * @throws ApiError `ERR_BATON_RESOURCES` when a `resourcesPolicy` cannot be computed for this pod
 */
export function inject(injection: Injection): Injected {
  const { pod: received, sidecarSets, namespaces, now, sortContainersByName = false } = injection;
  const warnings: Warning[] = [];
  const warnOf: WarnOf =
    ({ metadata }) =>
    (message) =>
      warnings.push({ sidecarSet: metadata.name ?? '', message });
  const clean = withoutProgress(received);
  if (!isActive(received)) return { pod: clean, sidecarSets: [], warnings };

  const matching = withoutBases(matchingSets(sidecarSets, clean, namespaces, warnOf));
  const carried = matching.filter((set) => possibleSpecs(set, injection).some((spec) => carries(clean, spec)));
  const added = matching
    .filter((set) => !carried.includes(set))
    .map((set) => specToInject(set, clean, injection, warnOf(set)));

  const patched = added.reduce((pod, set) => withPatchedAnnotations(pod, set, warnOf), clean);
  const built = buildSidecars(patched, added, carried, warnOf);
  const hasSidecars = built.some(({ init, containers }) => init.length + containers.length > 0);
  const filled = hasSidecars
    ? withAnnotations(withSidecars(patched, built, { sortContainersByName, warnOf }), added, now, warnOf)
    : patched;
  const names = [...carried, ...(hasSidecars ? added : [])].map(({ metadata }) => metadata.name ?? '');
  const pod = names.length > 0 ? withLabel(filled) : filled;
  return { pod, sidecarSets: names, warnings };
}

const isActive = ({ metadata, status }: Pod): boolean =>
  status?.phase !== 'Succeeded' && status?.phase !== 'Failed' && !metadata?.deletionTimestamp;

/** A pod that starts without an upgrade, whatever pod its manifest was copied from. */
function withoutProgress(pod: Pod): Pod {
  const annotations = pod.metadata?.annotations;
  if (annotations?.[grantKey] === undefined && annotations?.[upgradeKey] === undefined) return pod;
  const kept = Object.entries(annotations).filter(([key]) => key !== grantKey && key !== upgradeKey);
  return { ...pod, metadata: { ...pod.metadata, annotations: Object.fromEntries(kept) } };
}

function withPatchedAnnotations(pod: Pod, set: SidecarSet, warnOf: WarnOf): Pod {
  const patches = set.spec.patchPodMetadata ?? [];
  if (patches.length === 0) return pod;
  const { annotations, unmerged } = patchAnnotations(pod.metadata?.annotations ?? {}, patches);
  for (const { key, invalid } of unmerged) {
    const culprit = invalid === 'document' ? "the pod's value" : "the SidecarSet's";
    warnOf(set)(`patchPodMetadata: annotation ${key} stays as it is: ${culprit} is not JSON that can be merged`);
  }
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}

function withAnnotations(pod: Pod, sets: readonly SidecarSet[], now: number, warnOf: WarnOf): Pod {
  const annotations = pod.metadata?.annotations ?? {};
  const written = injectedAnnotations(annotations, sets, printTime(now), (key, problem) => {
    for (const set of sets) warnOf(set)(`the pod's annotation ${key} is replaced: ${problem}`);
  });
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...annotations, ...written } } };
}

const withLabel = (pod: Pod): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, labels: { ...pod.metadata?.labels, [injectedLabel]: 'true' } },
});
