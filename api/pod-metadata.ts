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
  const patched = new Map(Object.entries(annotations));
  const unmerged: UnmergedAnnotation[] = [];
  for (const { annotations: values, patchPolicy } of patches) {
    for (const [key, value] of Object.entries(values ?? {})) {
      const current = patched.get(key);
      if (patchPolicy === 'Overwrite' || (patchPolicy === 'MergePatchJson' && !current)) {
        patched.set(key, value);
      } else if (patchPolicy === 'MergePatchJson') {
        const merged = mergePatch(current ?? '', value);
        if ('text' in merged) patched.set(key, merged.text);
        else unmerged.push({ key, invalid: merged.invalid });
      } else if (isRetain(patchPolicy) && current === undefined) {
        patched.set(key, value);
      }
    }
  }
  return { annotations: Object.fromEntries(patched), unmerged };
}

/** `Retain` is what an entry without a policy means; an unknown policy does nothing. */
const isRetain = (policy: string | undefined): boolean => !policy || policy === 'Retain';
