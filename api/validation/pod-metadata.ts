import { required, type FieldError } from './field-error.ts';
import { entries, get, list, text, type Field } from './field.ts';
import { annotationErrors } from './metadata.ts';
import { patternsFor, readWhitelist } from './whitelist.ts';

/** What decides which annotations a set may put on pods. */
export interface PatchRules {
  /** The text under `SidecarSet_PatchPodMetadata_WhiteList` of the ConfigMap `kruise-configuration`, if there is one. */
  whitelist?: string | undefined;
  /** The feature gate `SidecarSetPatchPodMetadataDefaultsAllowed`: without a rule, everything is allowed. */
  allowedByDefault: boolean;
}

/** What is wrong with `patchPodMetadata`. */
export function patchPodMetadataErrors(set: Field, rules: PatchRules): FieldError[] {
  const field = get(get(set, 'spec'), 'patchPodMetadata');
  const patches = list(field);
  if (patches.length === 0) return [];
  const refusal = refusalOf(patches, entriesOf(get(get(set, 'metadata'), 'labels')), rules);
  const errors = refusal === undefined ? [] : [required(field.at, refusal)];
  const seen = new Set<string>();
  for (const patch of patches) {
    const keys = entries(get(patch, 'annotations')).map(([key]) => key);
    if (keys.length === 0) errors.push(required(field.at, 'no annotations defined for SidecarSet'));
    errors.push(...annotationErrors({ ...get(patch, 'annotations'), at: 'patchPodMetadata.annotations' }));
    if (text(get(patch, 'patchPolicy')) === '') {
      errors.push(required(field.at, 'no patchPolicy defined for patchPodMetadata'));
    }
    for (const key of keys) {
      if (seen.has(key)) errors.push(required(field.at, `patch annotation[${key}] already exist`));
      seen.add(key);
    }
  }
  return errors;
}

const entriesOf = (labels: Field): Record<string, string> => Object.fromEntries(entries(labels));

/** Why the whitelist refuses the patches, or cannot be used; undefined if it allows them. */
function refusalOf(
  patches: readonly Field[],
  labels: Record<string, string>,
  { whitelist, allowedByDefault }: PatchRules,
): string | undefined {
  if (whitelist === undefined) return allowedByDefault ? undefined : 'SidecarSet patch metadata whitelist not found';
  try {
    const patterns = patternsFor(labels, readWhitelist(whitelist));
    if (patterns.length === 0) {
      return allowedByDefault ? undefined : 'sidecarSet patch metadata annotation is not allowed';
    }
    const keys = patches.flatMap((patch) => entries(get(patch, 'annotations')).map(([key]) => key));
    const refused = keys.find((key) => !patterns.some((finds) => finds(key)));
    return refused === undefined ? undefined : `sidecarSet patch metadata annotation(${refused}) is not allowed`;
  } catch (error) {
    return (error as Error).message;
  }
}
