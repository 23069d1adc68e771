import { isObject, type JsonObject } from '../../api/json.ts';

/** Lists that are merged item by item, with the field that tells items apart; all other lists are replaced. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  imagePullSecrets: 'name',
  env: 'name',
  ports: 'containerPort',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
};

/**
 * Kubernetes' strategic merge, as far as a revision's spec can hold it: `null` removes a field, `$patch: replace` takes the
 * patch alone, the lists above are merged by key, and the rest replaces.
 */
export function strategicMerge(original: unknown, patch: JsonObject): JsonObject {
  const { $patch, ...fields } = patch;
  const merged = new Map($patch === 'replace' || !isObject(original) ? [] : Object.entries(original));
  for (const [key, field] of Object.entries(fields)) {
    if (field === null) merged.delete(key);
    else merged.set(key, mergeField(merged.get(key), field, MERGE_KEYS[key]));
  }
  return Object.fromEntries(merged);
}

function mergeField(original: unknown, patch: unknown, mergeKey: string | undefined): unknown {
  if (isObject(patch)) return strategicMerge(original, patch);
  if (!Array.isArray(patch) || !Array.isArray(original) || mergeKey === undefined) return patch;
  return mergeList(original.filter(isObject), patch.filter(isObject), mergeKey);
}

/** The patch's items in the patch's order; each other item stands before the first of those that stood behind it. */
function mergeList(original: JsonObject[], patch: JsonObject[], mergeKey: string): JsonObject[] {
  const position = new Map(original.map((item, index) => [item[mergeKey], index]));
  const named = new Set(patch.map((item) => item[mergeKey]));
  const untouched = original.filter((item) => !named.has(item[mergeKey]));
  const merged: JsonObject[] = [];
  for (const item of patch) {
    const at = position.get(item[mergeKey]);
    while (at !== undefined && untouched[0] && (position.get(untouched[0][mergeKey]) ?? 0) < at) {
      merged.push(...untouched.splice(0, 1));
    }
    merged.push(strategicMerge(at === undefined ? undefined : original[at], item));
  }
  return [...merged, ...untouched];
}
