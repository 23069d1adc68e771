import { mergePatch } from './merge-patch.ts';
import type { PodMetadataPatch } from './sidecar-set.ts';

/** An annotation that a patch left as it was, because one of the two values is not JSON. */
export interface UnmergedAnnotation {
  key: string;
  invalid: 'document' | 'patch';
}

/**
 * A pod's annotations with a SidecarSet's `patchPodMetadata` applied, in the order of the list (`sidecarset.md` 2.7): at
 * injection, and again with each change of an image. An annotation that cannot be merged keeps its value (Q21).
 */
export function patchAnnotations(
  annotations: Readonly<Record<string, string>>,
  patches: readonly PodMetadataPatch[],
): { annotations: Record<string, string>; unmerged: UnmergedAnnotation[] } {
  const patched = { ...annotations };
  const unmerged: UnmergedAnnotation[] = [];
  for (const { annotations: values, patchPolicy } of patches) {
    for (const [key, value] of Object.entries(values ?? {})) {
      const current = patched[key];
      if (patchPolicy === 'Overwrite' || (patchPolicy === 'MergePatchJson' && !current)) {
        patched[key] = value;
      } else if (patchPolicy === 'MergePatchJson') {
        const merged = mergePatch(current ?? '', value);
        if ('text' in merged) patched[key] = merged.text;
        else unmerged.push({ key, invalid: merged.invalid });
      } else if (isRetain(patchPolicy)) {
        patched[key] ??= value;
      }
    }
  }
  return { annotations: patched, unmerged };
}

/** `Retain` is what an entry without a policy means; an unknown policy does nothing. */
const isRetain = (policy: string | undefined): boolean => !policy || policy === 'Retain';
