import { ApiError } from '../../api/error.ts';
import { hashesOf } from '../../api/hash.ts';
import { isObject, type JsonObject } from '../../api/json.ts';
import type { ControllerRevision } from '../../api/kubernetes.ts';
import { hashKey, hashWithoutImageKey } from '../../api/pod-contract.ts';
import type { SidecarSet, SidecarSetSpec } from '../../api/sidecar-set.ts';
import { strategicMerge } from './strategic-merge.ts';

/**
 * A set as a stored revision recorded it (`sidecarset.md` 4.9). Of the spec only the recorded fields are there: selectors
 * and strategies must be read from the current set. Metadata is the current set's with the revision's hashes, and
 * `status.latestRevision` names the revision.
 *
 * @throws ApiError `ERR_BATON_REVISION` when the revision's data is not what OpenKruise or Baton write
 */
export function restore(set: SidecarSet, revision: ControllerRevision): SidecarSet {
  const name = revision.metadata?.name ?? '';
  const spec = strategicMerge(set.spec, recordedSpec(revision)) as SidecarSetSpec;
  const restored: SidecarSet = {
    ...set,
    spec,
    status: { matchedPods: 0, updatedPods: 0, readyPods: 0, ...set.status, latestRevision: name },
  };
  const recorded = revision.metadata?.annotations ?? {};
  const [hash, withoutImage] = [recorded[hashKey], recorded[hashWithoutImageKey]];
  const computed = hash && withoutImage ? undefined : hashesOf(restored);
  const annotations = {
    ...set.metadata.annotations,
    [hashKey]: hash || (computed?.hash ?? ''),
    [hashWithoutImageKey]: withoutImage || (computed?.hashWithoutImage ?? ''),
  };
  return { ...restored, metadata: { ...set.metadata, annotations } };
}

function recordedSpec({ metadata, data }: ControllerRevision): JsonObject {
  const spec = isObject(data) ? data['spec'] : undefined;
  const lists = ['containers', 'initContainers', 'volumes', 'imagePullSecrets', 'patchPodMetadata'];
  const wrong = isObject(spec) ? lists.find((field) => !isListOrNull(spec[field])) : '';
  if (isObject(spec) && wrong === undefined) return spec;
  const name = metadata?.name ?? '';
  const field = wrong ? `data.spec.${wrong} is not a list` : 'data.spec is not an object';
  throw new ApiError('ERR_BATON_REVISION', `ControllerRevision ${name}: ${field}; delete it, or use another revision`, {
    facts: { revision: name },
  });
}

const isListOrNull = (value: unknown): boolean => value === undefined || value === null || Array.isArray(value);
