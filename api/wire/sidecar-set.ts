import { isObject } from '../json.ts';
import type { SidecarSet } from '../sidecar-set.ts';
import { sidecarContainer } from './container.ts';
import { metadata, selector } from './metadata.ts';
import { volume } from './volume.ts';
import { goForm, list, map, refuseMistyped, struct, type GoFormOptions, type Problem, type Struct } from './wire.ts';

/*
 * SidecarSet in both versions. Go writes `status`, `updateStrategy` and `injectionStrategy` even when nothing is
 * in them; here they are left out then.
 */

const updateStrategy = struct({
  type: 'string',
  paused: 'boolean',
  'selector?': selector,
  'partition?': 'intOrString',
  'maxUnavailable?': 'intOrString',
  'failureThreshold+': 'intOrString',
  'priorityStrategy?': struct({
    orderPriority: list(struct({ 'orderedKey!': 'string' })),
    weightPriority: list(struct({ 'weight!': 'int32', 'matchSelector!': selector })),
  }),
  scatterStrategy: list(struct({ 'key!': 'string', 'value!': 'string' })),
});

const spec = {
  'selector?': selector,
  'namespaceSelector?': selector,
  initContainers: list(sidecarContainer),
  containers: list(sidecarContainer),
  volumes: list(volume),
  updateStrategy,
  injectionStrategy: struct({
    paused: 'boolean',
    'revision?': struct({ 'customVersion?': 'string', 'revisionName?': 'string', policy: 'string' }),
  }),
  imagePullSecrets: list(struct({ name: 'string' })),
  'revisionHistoryLimit?': 'int32',
  patchPodMetadata: list(struct({ annotations: map('string'), patchPolicy: 'string' })),
} as const;

const status = struct({
  observedGeneration: 'int64',
  'matchedPods!': 'int32',
  'updatedPods!': 'int32',
  'readyPods!': 'int32',
  updatedReadyPods: 'int32',
  latestRevision: 'string',
  'collisionCount?': 'int32',
  'injectedRevision+': 'string',
  'conditions+': list(
    struct({
      type: 'string',
      status: 'string',
      observedGeneration: 'int64',
      'lastTransitionTime!': 'string',
      'reason!': 'string',
      'message!': 'string',
    }),
  ),
});

const object = { kind: 'string', apiVersion: 'string', 'metadata!': metadata } as const;

const alphaSidecarSet: Struct = struct({
  ...object,
  'spec!': struct({ ...spec, namespace: 'string' }),
  'status?': status,
});

const betaSidecarSet: Struct = struct({
  ...object,
  'spec!': struct({ ...spec, customVersion: 'string' }),
  'status?': status,
});

/** The version before the stored one. */
export const ALPHA = 'apps.kruise.io/v1alpha1';
/** The stored version. */
export const BETA = 'apps.kruise.io/v1beta1';

/**
 * A SidecarSet of either version as Go would write it (see {@link goForm}), a fresh object; what is not `v1alpha1` is read
 * as `v1beta1`. Fields that are not known are kept.
 *
 * @throws ApiError `ERR_BATON_FIELD` if a field has the wrong type
 */
export function goFormOfSet(object: object, { amount }: Pick<GoFormOptions, 'amount'> = {}): SidecarSet {
  return goForm(wireOf(object), object, { report: refuseMistyped, ...(amount && { amount }) }) as SidecarSet;
}

/** What {@link goFormOfSet} refuses, and the fields that it does not know. */
export function problemsOfSet(object: unknown): Problem[] {
  const problems: Problem[] = [];
  goForm(wireOf(object), object, { report: (problem) => problems.push(problem) });
  return problems;
}

const wireOf = (object: unknown): Struct =>
  isObject(object) && object['apiVersion'] === ALPHA ? alphaSidecarSet : betaSidecarSet;
