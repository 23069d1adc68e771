import { toBeta } from '../api/conversion.ts';
import { withDefaults } from '../api/defaults.ts';
import type { ControllerRevision, Namespace, Pod } from '../api/kubernetes.ts';
import { withSchemaDefaults } from '../api/schema.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import { answer, validate } from '../api/validation/validate.ts';
import type { KubernetesObject } from '../cluster/cluster.ts';
import { clusterError } from '../cluster/errors.ts';
import { inject } from './inject/inject.ts';

/** What admission looks up in the cluster. */
export interface AdmissionSources {
  sidecarSets: readonly SidecarSet[];
  namespaces: readonly Namespace[];
  /** Of the namespace where revisions are kept. */
  revisions: readonly ControllerRevision[];
  /** Sets that are halted, and the revision that new pods get instead. */
  halted?: ReadonlyMap<string, string>;
  featureGates?: Readonly<Record<string, boolean>>;
  /** Wall-clock milliseconds. */
  now: number;
  /** A number from 0 to below 1 (`injectionStrategy.revision.policy: Partial`). */
  draw: () => number;
}

/** The object to be stored, and what its author should know. */
export interface Admitted<T> {
  object: T;
  warnings: string[];
}

/**
 * Defaults and validates a SidecarSet of either version that is created or updated; it is stored as `v1beta1`.
 *
 * @throws ApiError `ERR_BATON_INVALID` with all that is wrong, `ERR_BATON_FIELD`
 */
export function admitSidecarSet(
  object: KubernetesObject,
  old: SidecarSet | undefined,
  { sidecarSets, revisions, featureGates }: AdmissionSources,
): Admitted<SidecarSet> {
  const set = withDefaults(toBeta(withSchemaDefaults(object)));
  const findings = validate({
    operation: old ? 'UPDATE' : 'CREATE',
    object: set,
    ...(old && { old }),
    others: sidecarSets.filter(({ metadata }) => metadata.name !== set.metadata.name),
    revisions,
    featureGates,
  });
  const { allowed, message, warnings } = answer(findings);
  if (allowed) return { object: set, warnings };
  throw clusterError('Invalid', message, { errors: findings.errors });
}

/**
 * Injects into a pod that is created.
 *
 * @throws ApiError `ERR_BATON_RESOURCES` when a `resourcesPolicy` cannot be computed for this pod
 */
export function admitPod(pod: Pod & KubernetesObject, sources: AdmissionSources): Admitted<Pod & KubernetesObject> {
  const { pod: injected, warnings } = inject({ pod, ...sources });
  return {
    object: injected as Pod & KubernetesObject,
    warnings: warnings.map(({ sidecarSet, message }) => `SidecarSet ${sidecarSet}: ${message}`),
  };
}
