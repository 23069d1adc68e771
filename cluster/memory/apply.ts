import jsonpatch from 'fast-json-patch';
import { copyJson, isObject } from '../../api/json.ts';
import type { KubernetesObject, Patch } from '../cluster.ts';
import { clusterError } from '../errors.ts';

/**
 * The object with the patch applied; the original stays as it is.
 *
 * @throws ApiError `ERR_BATON_INVALID` when an operation's path or test does not fit.
 */
export function applyPatch(object: KubernetesObject, patch: Patch): KubernetesObject {
  if (!Array.isArray(patch)) return mergePatch(object, patch) as KubernetesObject;
  try {
    // On copies: the library's own copying would turn numbers kept as text into something else.
    return jsonpatch.applyPatch(copyJson(object), copyJson(patch), true, true).newDocument;
  } catch (cause) {
    const { name, index } = cause as { name?: string; index?: number };
    throw clusterError(
      'Invalid',
      `the patch does not fit: operation ${index ?? 0}: ${(name ?? String(cause)).toLowerCase().replaceAll('_', ' ')}`,
      { index },
    );
  }
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return copyJson(patch);
  const merged = isObject(target) ? copyJson(target) : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(merged, key);
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}
