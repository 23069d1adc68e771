import { ApiError } from './error.ts';
import type { SidecarSet, SidecarSetSpec } from './sidecar-set.ts';
import { ALPHA, BETA, goFormOfSet } from './wire/sidecar-set.ts';

/** Where `v1alpha1` keeps what is `spec.customVersion` in `v1beta1`. */
const CUSTOM_VERSION_LABEL = 'apps.kruise.io/sidecarset-custom-version';
/** The label that every namespace has, with its name. */
const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** A SidecarSet as `v1alpha1`. */
export interface AlphaSidecarSet extends SidecarSet {
  spec: Omit<SidecarSetSpec, 'customVersion'> & { namespace?: string };
}

/**
 * Answers the API server's conversion webhook (`sidecarset.md` 1.3).
 *
 * @throws ApiError `ERR_BATON_API_VERSION` unless it is from one of the two versions to the other, `ERR_BATON_FIELD` if a
 *   field has the wrong type
 */
export function convert(object: object, apiVersion: string): SidecarSet | AlphaSidecarSet {
  const from = versionOf(object);
  if (apiVersion !== ALPHA && apiVersion !== BETA) throw unknownVersion(apiVersion);
  if (from === apiVersion) {
    throw new ApiError('ERR_BATON_API_VERSION', `cannot convert to ${apiVersion}: it is that already`, {
      facts: { apiVersion },
    });
  }
  return apiVersion === ALPHA ? toAlpha(object) : toBeta(object);
}

/**
 * A SidecarSet of either version as `v1beta1`, in the form in which Go writes it: `spec.namespace` becomes a selector (and
 * takes the place of one), the custom version moves from its label into the spec.
 *
 * @throws ApiError `ERR_BATON_API_VERSION` if it is of another version, `ERR_BATON_FIELD` if a field has the wrong type
 */
export function toBeta(object: object): SidecarSet {
  const set = goFormOfSet(object);
  if (versionOf(object) === BETA) return set;
  const { namespace, namespaceSelector, ...spec } = set.spec as AlphaSidecarSet['spec'];
  // Not a field of this version, but one of the other.
  delete (spec as SidecarSetSpec).customVersion;
  const selector = namespace ? { matchLabels: { [NAMESPACE_NAME_LABEL]: namespace } } : namespaceSelector;
  const { labels, ...metadata } = set.metadata;
  const { [CUSTOM_VERSION_LABEL]: customVersion, ...rest } = labels ?? {};
  return {
    ...set,
    apiVersion: BETA,
    metadata: { ...metadata, ...(Object.keys(rest).length > 0 && { labels: rest }) },
    spec: { ...spec, ...(selector && { namespaceSelector: selector }), ...(customVersion && { customVersion }) },
  };
}

/** A SidecarSet of either version as `v1alpha1`; see {@link toBeta}. The selector of namespaces stays one. */
export function toAlpha(object: object): AlphaSidecarSet {
  const set = goFormOfSet(object);
  if (versionOf(object) === ALPHA) return set;
  const { customVersion, ...spec } = set.spec;
  delete (spec as AlphaSidecarSet['spec']).namespace;
  const labels = customVersion
    ? { ...set.metadata.labels, [CUSTOM_VERSION_LABEL]: customVersion }
    : set.metadata.labels;
  return { ...set, apiVersion: ALPHA, metadata: { ...set.metadata, ...(labels && { labels }) }, spec };
}

function versionOf(object: object): string {
  const { apiVersion } = object as { apiVersion?: unknown };
  if (apiVersion === ALPHA || apiVersion === BETA) return apiVersion;
  throw unknownVersion(apiVersion);
}

function unknownVersion(apiVersion: unknown): ApiError {
  const found = typeof apiVersion === 'string' ? apiVersion : 'missing';
  return new ApiError('ERR_BATON_API_VERSION', `apiVersion is ${found}; it must be ${ALPHA} or ${BETA}`, {
    facts: { apiVersion },
  });
}
