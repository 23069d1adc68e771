import { percentToFraction } from '../../../api/int-or-percent.ts';
import { isObject } from '../../../api/json.ts';
import type { ControllerRevision, LabelSelector, Pod } from '../../../api/kubernetes.ts';
import { readHashes } from '../../../api/pod-annotations.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';

/** What of a recorded injection an excuse looks at. */
export interface InjectionInput {
  sidecarSets: SidecarSet[] | null;
  revisions?: ControllerRevision[];
  operation: string;
  pod: Pod;
}

type Excuse = (input: InjectionInput) => boolean;

const RECORDED_LISTS = ['containers', 'initContainers', 'volumes', 'imagePullSecrets', 'patchPodMetadata'];

/** Q21: the revision to inject does not exist, or its data is none; OpenKruise creates no pod. */
export const q21Revision: Excuse = ({ sidecarSets, revisions = [] }) =>
  (sidecarSets ?? []).some(({ metadata, spec }) => {
    const { revisionName, customVersion } = spec.injectionStrategy?.revision ?? {};
    if (revisionName === undefined && customVersion === undefined) return false;
    const wanted = revisions.filter(({ metadata: { name, labels = {} } = {} }) =>
      revisionName === undefined
        ? customVersion !== '' &&
          labels['kruise.io/sidecarset-name'] === metadata.name &&
          labels['apps.kruise.io/sidecarset-custom-version'] === customVersion
        : name === revisionName,
    );
    const [newest] = wanted.sort((a, b) => b.revision - a.revision);
    const recorded: unknown = newest?.data?.['spec' as never];
    return !isObject(recorded) || RECORDED_LISTS.some((field) => !Array.isArray(recorded[field] ?? []));
  });

/** Q21: `policy: Partial` and a partition that is neither number nor percentage. */
export const q21Partition: Excuse = ({ sidecarSets }) =>
  (sidecarSets ?? []).some(({ spec: { injectionStrategy, updateStrategy } }) => {
    const partition = updateStrategy?.partition;
    return (
      injectionStrategy?.revision?.policy === 'Partial' &&
      typeof partition === 'string' &&
      percentToFraction(partition) === undefined
    );
  });

/** Q21 and surprise 6: a selector with an operator that does not exist; OpenKruise then creates no pod at all. */
export const q21Selector: Excuse = ({ sidecarSets }) =>
  (sidecarSets ?? []).some(
    ({ spec }) => hasUnknownOperator(spec.selector) || hasUnknownOperator(spec.updateStrategy?.selector),
  );

const hasUnknownOperator = (selector?: LabelSelector): boolean =>
  (selector?.matchExpressions ?? []).some(
    ({ operator }) => !['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator),
  );

/**
 * Q21 and surprise 4: the pod brings a hash annotation that is not a map of entries, or is given one by `patchPodMetadata`; at
 * `null` OpenKruise panics.
 */
export const q21Annotation: Excuse = ({ pod, sidecarSets }) => {
  const patches = (sidecarSets ?? []).flatMap(({ spec }) => spec.patchPodMetadata ?? []);
  return ['kruise.io/sidecarset-hash', 'kruise.io/sidecarset-hash-without-image'].some((key) =>
    [pod.metadata, ...patches].some((given) => {
      const text = given?.annotations?.[key];
      return text?.trim() === 'null' || 'problem' in readHashes(text);
    }),
  );
};

/** Q21: `MergePatchJson` of values of which one is no JSON that can be merged. */
export const q21Merge: Excuse = ({ sidecarSets, pod }) => {
  const patches = (sidecarSets ?? []).flatMap(({ spec }) => spec.patchPodMetadata ?? []);
  return patches.some(({ annotations = {}, patchPolicy }) =>
    Object.entries(annotations).some(([key, value]) => {
      const others = [pod.metadata?.annotations, ...patches.map(({ annotations }) => annotations)];
      const current = others.map((values) => values?.[key]).filter((text) => text !== undefined && text !== '');
      const bad = current.some((text) => (parsed(text) ?? null) === null);
      return patchPolicy === 'MergePatchJson' && (bad || typeof parsed(value) !== 'object' || parsed(value) === null);
    }),
  );
};

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

/** Surprise 4: OpenKruise panics at the update of a pod whose only set is the canary of itself; Baton never looks at updates. */
export const surprise4SelfCanary: Excuse = ({ sidecarSets, operation }) =>
  operation !== 'CREATE' &&
  (sidecarSets ?? []).some(
    ({ metadata: { name, annotations } }) => annotations?.['apps.kruise.io/sidecarset-base'] === name,
  );

/** Why a pod that OpenKruise does not let through is created by Baton, if that is on purpose. */
export function excuseOf(input: InjectionInput): string | undefined {
  const excuses = { q21Revision, q21Partition, q21Selector, q21Annotation, q21Merge, surprise4SelfCanary };
  return Object.entries(excuses).find(([, excuses]) => excuses(input))?.[0];
}
