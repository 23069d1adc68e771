import { toBeta } from '../api/conversion.ts';
import { withDefaults } from '../api/defaults.ts';
import { isObject } from '../api/json.ts';
import type { ControllerRevision, Namespace, Pod } from '../api/kubernetes.ts';
import { withSchemaDefaults } from '../api/schema.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import { answer, validate, type Findings } from '../api/validation/validate.ts';
import type { KubernetesObject } from '../cluster/cluster.ts';
import { clusterError } from '../cluster/errors.ts';
import { withAccountMount } from './inject/account-mount.ts';
import { inject } from './inject/inject.ts';
import { jsonPatch, type Operation } from './inject/json-patch.ts';

/** What admission looks up in the cluster. */
export interface AdmissionSources {
  sidecarSets: readonly SidecarSet[];
  namespaces: readonly Namespace[];
  /** Of the namespace where revisions are kept. */
  revisions: readonly ControllerRevision[];
  /** The ConfigMap's text that says which annotations a set may put on pods ({@link whitelistOf}), if there is one. */
  whitelist?: string | undefined;
  /** Sets that are halted, and the revision that new pods get instead. */
  halted?: ReadonlyMap<string, string>;
  /** What shows that another controller acts on SidecarSets: then it injects, and Baton leaves pods as they are. */
  secondController?: string | undefined;
  featureGates?: Readonly<Record<string, boolean>>;
  /** Wall-clock milliseconds. */
  now: number;
  /** A number from 0 to below 1 (`injectionStrategy.revision.policy: Partial`). */
  draw: () => number;
}

/** Where OpenKruise's whitelist of annotations is kept, beside the revisions (`sidecarset.md` 1.6). */
export const whitelistConfigMap = 'kruise-configuration';

/** The whitelist that the ConfigMap {@link whitelistConfigMap} holds. */
export const whitelistOf = (configMap: { data?: Record<string, string> } | undefined): string | undefined =>
  configMap?.data?.['SidecarSet_PatchPodMetadata_WhiteList'];

/** The object to be stored, and what its author should know. */
export interface Admitted<T> {
  object: T;
  warnings: string[];
}

/** What is wrong with a SidecarSet of either version, with its defaults, that is created or updated. */
export const findingsOf = (object: unknown, old: unknown, sources: Omit<AdmissionSources, 'now' | 'draw'>): Findings =>
  validate({
    operation: old === undefined ? 'CREATE' : 'UPDATE',
    object,
    ...(old !== undefined && { old }),
    others: sources.sidecarSets.filter(({ metadata }) => metadata.name !== nameOf(object)),
    revisions: sources.revisions,
    whitelist: sources.whitelist,
    featureGates: sources.featureGates,
  });

const nameOf = (object: unknown): unknown =>
  isObject(object) && isObject(object['metadata']) ? object['metadata']['name'] : undefined;

/**
 * Defaults and validates a SidecarSet of either version that is created or updated; it is stored as `v1beta1`.
 *
 * @throws ApiError `ERR_BATON_INVALID` with all that is wrong, `ERR_BATON_FIELD`
 */
export function admitSidecarSet(
  object: KubernetesObject,
  old: SidecarSet | undefined,
  sources: AdmissionSources,
): Admitted<SidecarSet> {
  const set = withDefaults(toBeta(withSchemaDefaults(object)));
  const findings = findingsOf(set, old, sources);
  const { allowed, message, warnings } = answer(findings);
  if (allowed) return { object: set, warnings };
  throw clusterError('Invalid', message, { errors: findings.errors });
}

/**
 * Injects into a pod that is created.
 *
 * @returns also the patch that makes the object of the pod as it was
 * @throws ApiError `ERR_BATON_RESOURCES` when a `resourcesPolicy` cannot be computed for this pod
 */
export function admitPod(
  pod: Pod & KubernetesObject,
  sources: AdmissionSources,
): Admitted<Pod & KubernetesObject> & { patch: Operation[] } {
  const { secondController } = sources;
  const {
    pod: injected,
    sidecarSets,
    warnings,
  } = inject({ pod, ...sources, ...(secondController && { sidecarSets: [] }) });
  const object = sidecarSets.length > 0 ? withAccountMount(injected) : injected;
  return {
    object: object as Pod & KubernetesObject,
    patch: jsonPatch(pod, object),
    warnings: [
      ...(secondController ? [`Baton injects nothing: ${secondController}`] : []),
      ...warnings.map(({ sidecarSet, message }) => `SidecarSet ${sidecarSet}: ${message}`),
    ],
  };
}
